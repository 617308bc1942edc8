// Decides from a call's shape who computes what.
#pragma once

#include "pack/packed.h"

namespace gatecell {

template <class T>
Plan make_plan(const PackedNetwork<T>& net, std::int64_t steps, std::int64_t rows, int num_threads);

}  // namespace gatecell
