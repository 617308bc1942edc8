// Who computes what when: decided once per call, from the shape, by the cost model.
#pragma once

#include <algorithm>

#include "gatecell/network.h"
#include "pack/packed.h"

namespace gatecell {

// For at most num_threads threads.
template <class T>
Plan make_plan(const PackedNetwork<T>& net, std::int64_t steps, std::int64_t rows, int num_threads);

// Of a call, its lengths included: for its rows that are still going on average, in groups for all of its rows.
template <class T>
Plan make_plan(const PackedNetwork<T>& net, const Call<T>& call, int num_threads);

// Whether some steps of these rows had better compute their input products themselves.
template <class T>
bool choose_fused(const PackedNetwork<T>& net, std::int64_t steps, std::int64_t rows, int hidden_parts);

// What the plan rests on.
template <class T>
Forecast forecast(const PackedNetwork<T>& net, std::int64_t steps, std::int64_t rows, const Plan& plan);

// Where a part of the rows begins: as many for each, the first parts one more if need be.
inline std::int64_t first_row(std::int64_t rows, int parts, int part) {
  return parts == 1 ? part * rows : rows / parts * part + std::min<std::int64_t>(rows % parts, part);
}

}  // namespace gatecell
