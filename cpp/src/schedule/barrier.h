// A barrier for a few threads: each waits until all have arrived. All threads use it the same number of times.
#pragma once

#include <chrono>

#include "constants.h"
#include "runtime/wait_counter.h"

namespace gatecell {

inline constexpr std::chrono::microseconds kBarrierSpin{kBarrierSpinMicroseconds};

class Barrier {
 public:
  // counters[threads], zero at first; `self` is the counter of this thread. One thread alone never waits.
  Barrier(WaitCounter* counters, int self, int threads) : counters_(counters), self_(self), threads_(threads) {}

  void arrive_and_wait() {
    if (threads_ == 1) return;
    counters_[self_].raise(++rounds_);
    for (int i = 0; i < threads_; ++i) {
      if (i != self_) counters_[i].wait_for(rounds_, kBarrierSpin);
    }
  }

  // How often this thread has arrived; 0 if it is alone.
  std::uint32_t rounds() const { return rounds_; }

 private:
  WaitCounter* counters_;
  int self_, threads_;
  std::uint32_t rounds_ = 0;
};

}  // namespace gatecell
