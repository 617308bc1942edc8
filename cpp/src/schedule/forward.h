// Runs one call. The caller sets the floating-point mode before.
#pragma once

#include "pack/packed.h"
#include "schedule/execution_stats.h"

namespace gatecell {

template <class T>
void forward(const PackedNetwork<T>& net, const Call<T>& call, const Plan& plan, ExecutionStats* stats = nullptr);

}  // namespace gatecell
