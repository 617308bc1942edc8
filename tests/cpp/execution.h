// Runs a call as a plan says, and counts what its threads do.
#pragma once

#include "pack/packed.h"
#include "schedule/forward.h"
#include "schedule/ragged.h"

template <class T>
void execute(const gatecell::PackedNetwork<T>& net, const gatecell::Call<T>& call, const gatecell::Plan& plan,
             gatecell::ExecutionStats* stats = nullptr) {
  gatecell::forward<T>(net, call, gatecell::extent(call), nullptr, plan, stats);
}
