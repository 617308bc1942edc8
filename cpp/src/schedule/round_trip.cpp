#include "schedule/round_trip.h"

#include <algorithm>

#include "runtime/wait_counter.h"
#include "schedule/thread_pool.h"
#include "schedule/worker_lease.h"

namespace gatecell {

void refresh_counter_round_trip(WorkerLease& lease) {
  using Clock = std::chrono::steady_clock;
  RoundTrip& round_trip = ThreadPool::instance().round_trip();
  if (round_trip.is_known()) return;
  struct Measurement {
    WaitCounter there, back;
    double seconds = 1;
  } measurement;
  lease.run(
      2,
      [](void* context, int share) {
        Measurement& m = *static_cast<Measurement*>(context);
        // In the first batch the worker only gets its job. The fastest of the other batches counts.
        constexpr std::uint32_t batches = kRoundTripBatches, rounds = kRoundTripsPerBatch, last = batches * rounds;
        // A short disturbance is over after this time. If not, the other CPU is busy with something else.
        constexpr std::chrono::microseconds patience{kRoundTripPatienceMicroseconds};
        Clock::time_point begin;
        for (std::uint32_t batch = 0, i = 1; batch < batches; ++batch) {
          const Clock::time_point start = Clock::now();
          for (const std::uint32_t end = i + rounds; i < end; ++i) {
            if (share == 0) m.there.raise(i);
            (share == 0 ? m.back : m.there).wait_for(i, kSpinForWorker);
            if (share == 1) m.back.raise(i);
          }
          const double seconds = std::chrono::duration<double>(Clock::now() - start).count() / rounds;
          if (batch == 0) begin = Clock::now();
          if (share == 1 || batch == 0) continue;
          m.seconds = std::min(m.seconds, seconds);
          if (Clock::now() - begin > patience) return m.there.raise(last);  // lets the worker pass all other rounds
        }
      },
      &measurement);
  round_trip.set_seconds(measurement.seconds);
}

double counter_round_trip() {
  const ThreadPool* pool = ThreadPool::find();
  return pool && pool->round_trip().is_known() ? pool->round_trip().seconds() : kDefaultRoundTrip;
}

}  // namespace gatecell
