// Memory of a call that outlives it, so that the next one need not ask for it.
#pragma once

#include "runtime/memory.h"

namespace gatecell {

class Scratch {
 public:
  // Runs lay_out(carver) in the calling thread's block: once where that is large enough, otherwise again in a larger
  // one. What is too large to keep is given back with this object. Throws std::bad_alloc.
  template <class F>
  explicit Scratch(const F& lay_out) {
    Kept& kept = kept_here();
    Carver carver(kept.block.get(), kept.size);
    lay_out(carver);
    const std::size_t size = carver.used();
    if (size <= kept.size) return;
    if (size > kMostKept) {
      own_ = allocate_block(size);
    } else {
      kept = {};
      kept.block = allocate_block(size);
      kept.size = size;
    }
    Carver larger(own_ ? own_.get() : kept.block.get(), size);
    lay_out(larger);
  }

 private:
  struct Kept {
    Block block;
    std::size_t size = 0;
  };
  static Kept& kept_here() {
    thread_local Kept kept;
    return kept;
  }
  static constexpr std::size_t kMostKept = std::size_t{8} << 20;
  Block own_;
};

}  // namespace gatecell
