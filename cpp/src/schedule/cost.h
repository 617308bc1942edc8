// A small cost model. It decides whether to wake other threads and how to split the work. The Python bindings also use
// it: only a long call releases the GIL. It need not be exact.
//
//   a step of one direction run =   overlap(multiply-adds and activations, reading W_ih and W_hh)              (fused)
//                            or =   overlap(multiply-adds of W_ih, writing and reading pre-activations)    (projected)
//                                 + overlap(multiply-adds of W_hh and activations, reading W_hh)
//                                 + the calls of kernels, and barriers if hidden units are split
//   overlap(a, b) = the longer time, plus the part of the shorter one that is not hidden behind it
//   a call = its checks and outputs, and all steps, divided among the threads. Split directions add a barrier per
//            layer. Split layers add waiting per layer and chunk, and idle threads at the first and the last chunks.
#pragma once

#include "constants.h"
#include "gatecell/network.h"
#include "pack/packed.h"

namespace gatecell {

// The seconds that the thread with the most work needs, by kind.
struct Cost {
  double computing = 0, reading = 0, waiting = 0, calling = 0;
  double seconds = 0;       // below the sum of the times above, because reading overlaps with computing
  Limit level = Limit::l2;  // the cache or memory from which each step reads the weights
};

// The cost of a call with the splits, the kernel and the chunk of this plan.
template <class T>
Cost cost(const PackedNetwork<T>& net, std::int64_t steps, std::int64_t rows, const Plan& plan);

// Cost::seconds alone, in fewer instructions. Every call needs it.
template <class T>
double predict_seconds(const PackedNetwork<T>& net, std::int64_t steps, std::int64_t rows, const Plan& plan);

// The cache lines that the hidden units of one row take. Hidden units are split in whole cache lines.
template <class T>
std::int64_t hidden_lines(const PackedNetwork<T>& net) {
  constexpr auto line = static_cast<std::int64_t>(kCacheLine / sizeof(T));
  return (net.spec.hidden_size + line - 1) / line;
}

}  // namespace gatecell
