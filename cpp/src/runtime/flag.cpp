#include "runtime/flag.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>

namespace gatecell {
namespace {

static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t), "the kernel reads the atomic's own word");

void pause_a_moment() {
#ifdef __x86_64__
  __builtin_ia32_pause();
#else
  asm volatile("yield");
#endif
}

void futex(const std::atomic<std::uint32_t>& word, int operation, std::uint32_t value) {
  syscall(SYS_futex, &word, operation, value, nullptr, nullptr, 0);
}

}  // namespace

// raise() stores the value, then reads sleepers_; a sleeper adds itself, then reads the value. Both sequentially
// consistent, so one of the two sees the other, and the kernel compares the value once more before it sleeps.
void Flag::raise(std::uint32_t value) {
  value_.store(value, std::memory_order_seq_cst);
  if (sleepers_.load(std::memory_order_seq_cst)) futex(value_, FUTEX_WAKE_PRIVATE, INT_MAX);
}

void Flag::wait_for(std::uint32_t target, std::chrono::microseconds spin) const {
  using Clock = std::chrono::steady_clock;
  if (reached(target)) return;
  const Clock::time_point end = Clock::now() + spin;
  do {
    for (int i = 0; i < 16; ++i) {
      if (reached(target)) return;
      pause_a_moment();
    }
  } while (Clock::now() < end);

  sleepers_.fetch_add(1, std::memory_order_seq_cst);
  for (;;) {
    const std::uint32_t seen = value_.load(std::memory_order_seq_cst);
    if (static_cast<std::int32_t>(seen - target) >= 0) break;
    futex(value_, FUTEX_WAIT_PRIVATE, seen);
  }
  sleepers_.fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace gatecell
