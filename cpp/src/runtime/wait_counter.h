// A counter on a cache line of its own. One thread raises it and others wait for it. The threads of a call wait for
// each other only in this way.
//
// A waiting thread spins for a bounded time (a new value reaches another core in about 100 ns) and then sleeps in the
// kernel. The code uses atomics and no fences, so ThreadSanitizer sees every synchronisation.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "runtime/memory.h"

namespace gatecell {

class alignas(kCacheLine) WaitCounter {
 public:
  std::uint32_t value() const { return value_.load(std::memory_order_acquire); }

  bool has_sleepers() const { return sleepers_.load(std::memory_order_relaxed) > 0; }

  // Publishes everything this thread has written before, and wakes sleeping threads if there are any.
  void raise(std::uint32_t value);

  // Returns when the value has reached `target`. Values count modulo 2^32.
  void wait_for(std::uint32_t target, std::chrono::microseconds spin) const;

 private:
  bool has_reached(std::uint32_t target) const { return static_cast<std::int32_t>(value() - target) >= 0; }

  std::atomic<std::uint32_t> value_{0};
  mutable std::atomic<std::uint32_t> sleepers_{0};
};

}  // namespace gatecell
