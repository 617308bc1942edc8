// A counter on a cache line of its own that one thread raises and others wait for: the only way threads meet.
//
// Waiting spins a bounded time (a flag travels between cores in about 100 ns) and then sleeps in the kernel. Atomics
// only, no fences: ThreadSanitizer sees every edge.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "runtime/memory.h"

namespace gatecell {

class alignas(kCacheLine) Flag {
 public:
  std::uint32_t value() const { return value_.load(std::memory_order_acquire); }

  bool has_sleepers() const { return sleepers_.load(std::memory_order_relaxed) > 0; }

  // Publishes everything written before, and wakes sleepers if there are any.
  void raise(std::uint32_t value);

  // Returns when the value has reached `target` (counting modulo 2^32).
  void wait_for(std::uint32_t target, std::chrono::microseconds spin) const;

 private:
  bool reached(std::uint32_t target) const { return static_cast<std::int32_t>(value() - target) >= 0; }

  std::atomic<std::uint32_t> value_{0};
  mutable std::atomic<std::uint32_t> sleepers_{0};
};

}  // namespace gatecell
