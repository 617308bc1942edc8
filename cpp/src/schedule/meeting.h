// Where a few threads wait until all of them have come; each has done so the same number of times.
#pragma once

#include <chrono>

#include "runtime/flag.h"

namespace gatecell {

constexpr std::chrono::microseconds kMeetingSpin{50};

class Meeting {
 public:
  // flags[members], zero before; nobody waits where there is one member.
  Meeting(Flag* flags, int self, int members) : flags_(flags), self_(self), members_(members) {}

  void meet() {
    if (members_ == 1) return;
    flags_[self_].raise(++times_);
    for (int i = 0; i < members_; ++i) {
      if (i != self_) flags_[i].wait_for(times_, kMeetingSpin);
    }
  }

  std::uint32_t times() const { return times_; }

 private:
  Flag* flags_;
  int self_, members_;
  std::uint32_t times_ = 0;
};

}  // namespace gatecell
