#include "runtime/wait_counter.h"

#include "constants.h"
#include "runtime/system.h"

namespace gatecell {
namespace {

void pause_briefly() {
#ifdef __x86_64__
  __builtin_ia32_pause();
#else
  asm volatile("yield");
#endif
}

}  // namespace

// raise() stores the value and then reads sleepers_. A sleeping thread increments sleepers_ and then reads the value.
// All four accesses are sequentially consistent, so at least one of the two threads sees what the other has written.
// The system compares the value once more before it puts the thread to sleep.
void WaitCounter::raise(std::uint32_t value) {
  value_.store(value, std::memory_order_seq_cst);
  if (sleepers_.load(std::memory_order_seq_cst)) system::wake_all(value_);
}

void WaitCounter::wait_for(std::uint32_t target, std::chrono::microseconds spin) const {
  using Clock = std::chrono::steady_clock;
  if (has_reached(target)) return;
  const Clock::time_point end = Clock::now() + spin;
  do {
    for (int i = 0; i < kPausesPerLook; ++i) {
      if (has_reached(target)) return;
      pause_briefly();
    }
  } while (Clock::now() < end);

  sleepers_.fetch_add(1, std::memory_order_seq_cst);
  for (;;) {
    const std::uint32_t seen = value_.load(std::memory_order_seq_cst);
    if (static_cast<std::int32_t>(seen - target) >= 0) break;
    system::wait(value_, seen);
  }
  sleepers_.fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace gatecell
