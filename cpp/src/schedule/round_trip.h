// The latency between two cores: the time in which a wait counter's new value reaches another core, and the answer
// comes back. It is measured because virtual machines differ by a factor of five.
//
// Virtual machines also move their CPUs between cores, so a measurement is valid for one second. After that the
// optimistic default applies again. With it the cost model plans a call whose threads wait for each other often, and
// such a call measures again.
#pragma once

#include <atomic>
#include <chrono>

#include "constants.h"

namespace gatecell {

class WorkerLease;

// The last measurement.
class RoundTrip {
 public:
  bool is_known() const { return Clock::now().time_since_epoch().count() < valid_until_.load(); }
  double seconds() const { return seconds_.load(std::memory_order_relaxed); }
  void set_seconds(double seconds) {
    seconds_.store(seconds, std::memory_order_relaxed);
    valid_until_.store((Clock::now() + std::chrono::seconds{kRoundTripValidSeconds}).time_since_epoch().count());
  }

 private:
  using Clock = std::chrono::steady_clock;
  std::atomic<double> seconds_{kDefaultRoundTrip};
  std::atomic<Clock::rep> valid_until_{Clock::time_point::min().time_since_epoch().count()};
};

// The last measurement in seconds if it is valid, otherwise the default.
double counter_round_trip();

// Measures again with a worker that is awake, unless the last measurement is still valid.
void refresh_counter_round_trip(WorkerLease& lease);

}  // namespace gatecell
