// Who computes what when: decided once per call, from the shape, by the cost model.
#pragma once

#include "gatecell/network.h"
#include "pack/packed.h"

namespace gatecell {

// For at most num_threads threads.
template <class T>
Plan make_plan(const PackedNetwork<T>& net, std::int64_t steps, std::int64_t rows, int num_threads);

// What the plan rests on.
template <class T>
Forecast forecast(const PackedNetwork<T>& net, std::int64_t steps, std::int64_t rows, const Plan& plan);

// Where a part of the rows begins. Even where rows * part is too large for a number; no division for a single part.
inline std::int64_t first_row(std::int64_t rows, int parts, int part) {
  return parts == 1 ? part * rows : rows / parts * part + rows % parts * part / parts;
}

}  // namespace gatecell
