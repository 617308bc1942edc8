// Memory of a call. Each thread keeps it after the call, so that the next call need not allocate.
#pragma once

#include "runtime/memory.h"

namespace gatecell {

class Scratch {
 public:
  // Runs lay_out(allocator) in the memory that the calling thread keeps. If that is too small, runs it again in a
  // larger allocation. An allocation too large to keep is freed with this object. Throws std::bad_alloc.
  template <class F>
  explicit Scratch(const F& lay_out) {
    ThreadMemory& kept = thread_memory();
    BumpAllocator allocator(kept.allocation.get(), kept.size);
    lay_out(allocator);
    const std::size_t size = allocator.used();
    if (size <= kept.size) return;
    if (size > kLargestKept) {
      own_ = allocate_memory(size);
    } else {
      kept = {};
      kept.allocation = allocate_memory(size);
      kept.size = size;
    }
    BumpAllocator larger(own_ ? own_.get() : kept.allocation.get(), size);
    lay_out(larger);
  }

 private:
  // The memory that a thread keeps between calls.
  struct ThreadMemory {
    Allocation allocation;
    std::size_t size = 0;
  };
  static ThreadMemory& thread_memory() {
    thread_local ThreadMemory kept;
    return kept;
  }
  Allocation own_;
};

}  // namespace gatecell
