// Chooses the plan of a call: how threads split the work, the blocking and the step kernel. The cost model
// chooses the split; simple rules choose the blocking and the step kernel.
#pragma once

#include <algorithm>

#include "gatecell/network.h"
#include "pack/packed.h"

namespace gatecell {

// The fastest plan with at most num_threads threads. in_loop is explained at Network::plan().
template <class T>
Plan make_plan(const PackedNetwork<T>& net, std::int64_t steps, std::int64_t rows, int num_threads,
               bool in_loop = false);

// The fastest plan for a call that may have lengths. The splits suit the average number of active rows; the groups have
// room for all rows. Without lengths the extent is not used.
template <class T>
Plan make_plan(const PackedNetwork<T>& net, const Call<T>& call, const Extent& extent, int num_threads,
               bool in_loop = false);

// The plan of a call that this thread is about to make. Finds out whether the call is in a loop. If that matters for
// calls of this duration, sets loop_seconds to it, for record_call() when the call runs; otherwise it stays as it is.
template <class T>
Plan plan_next_call(const PackedNetwork<T>& net, const Call<T>& call, const Extent& extent, int num_threads,
                    double& loop_seconds);

// Records that this thread makes a call now, of this duration on one thread.
void record_call(double seconds);

// Whether the step kernel should be fused, for a chunk of these numbers of steps and rows, with the splits of this
// plan.
template <class T>
bool choose_fused(const PackedNetwork<T>& net, std::int64_t steps, std::int64_t rows, const Plan& plan);

// What limits the speed of a plan, and the bytes it reads.
template <class T>
Forecast forecast(const PackedNetwork<T>& net, std::int64_t steps, std::int64_t rows, const Plan& plan);

// The first row of a share, when `rows` rows are split into `shares` shares. The first shares have one row more if the
// split is not even.
inline std::int64_t first_row(std::int64_t rows, int shares, int share) {
  return shares == 1 ? share * rows : rows / shares * share + std::min<std::int64_t>(rows % shares, share);
}

}  // namespace gatecell
