// Runs one call: scratch, threads, layers in order. Floating-point mode is the caller's business.
#pragma once

#include "pack/packed.h"
#include "schedule/counts.h"

namespace gatecell {

template <class T>
void forward(const PackedNetwork<T>& net, const Call<T>& call, const Plan& plan, Counts* counts = nullptr);

}  // namespace gatecell
