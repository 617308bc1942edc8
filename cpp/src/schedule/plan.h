// Chooses the plan of a call: how threads split the work, the blocking and the step kernel. The cost model
// chooses the split; simple rules choose the blocking and the step kernel.
#pragma once

#include <algorithm>

#include "gatecell/network.h"
#include "pack/packed.h"

namespace gatecell {

// The fastest plan with at most num_threads threads.
template <class T>
Plan make_plan(const PackedNetwork<T>& net, std::int64_t steps, std::int64_t rows, int num_threads);

// The fastest plan for a call that may have lengths. The splits suit the average number of active rows; the groups have
// room for all rows.
template <class T>
Plan make_plan(const PackedNetwork<T>& net, const Call<T>& call, int num_threads);

// Whether the step kernel should be fused, for a chunk of these numbers of steps and rows.
template <class T>
bool choose_fused(const PackedNetwork<T>& net, std::int64_t steps, std::int64_t rows, int hidden_parts);

// What limits the speed of a plan, and the bytes it reads.
template <class T>
Forecast forecast(const PackedNetwork<T>& net, std::int64_t steps, std::int64_t rows, const Plan& plan);

// The first row of a share, when `rows` rows are split into `shares` shares. The first shares have one row more if the
// split is not even.
inline std::int64_t first_row(std::int64_t rows, int shares, int share) {
  return shares == 1 ? share * rows : rows / shares * share + std::min<std::int64_t>(rows % shares, share);
}

}  // namespace gatecell
