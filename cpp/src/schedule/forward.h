// Runs one call: scratch, threads, layers in order.
#pragma once

#include "schedule/plan.h"

namespace gatecell {

template <class T>
void forward(const PackedNetwork<T>& net, const Call<T>& call, const Plan& plan);

}  // namespace gatecell
