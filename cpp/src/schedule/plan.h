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

}  // namespace gatecell
