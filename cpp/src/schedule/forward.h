// Runs one call. The caller sets the floating-point mode before.
#pragma once

#include "pack/packed.h"
#include "schedule/direction_run.h"
#include "schedule/execution_stats.h"

namespace gatecell {

// states: for each layer of a network of one direction, where the state is, in place of the state arrays of the call;
// null: the call has them. The extent is used only for a call with lengths.
template <class T>
void forward(const PackedNetwork<T>& net, const Call<T>& call, const Extent& extent, const StateArrays<T>* states,
             const Plan& plan, ExecutionStats* stats = nullptr);

}  // namespace gatecell
