// A small explicit cost model. It need not be exact: it decides whether other threads are worth waking, which way to
// share the work and which kernel is cheapest, and whether a call is long enough to release Python's GIL.
//
//   a step of one layer and direction =   together(multiply-adds and activations, reading W_ih and W_hh)         fused
//                                  or =   together(multiply-adds of W_ih, its gates to and from the cache)   projected
//                                       + together(those of W_hh and activations, reading W_hh)
//                                     + its calls, and its meetings where hidden units are apart
//   together(a, b) = the longer, and that part of the shorter which does not hide behind it
//   a call = all of them, shared by the parts; a meeting per layer where directions run apart; where layers do, a
//            meeting per layer and chunk, and the chunks at both ends that not all threads have a layer for
#pragma once

#include "gatecell/network.h"
#include "pack/packed.h"

namespace gatecell {

// Seconds of the thread that has most to do, by kind.
struct Cost {
  double computing = 0, reading = 0, meeting = 0, calling = 0;
  double seconds = 0;       // less than their sum: reading hides behind computing
  Limit level = Limit::l2;  // where the weights are read from, step after step
};

// Of a call with that plan's parts, kernel and chunk.
template <class T>
Cost cost(const PackedNetwork<T>& net, std::int64_t steps, std::int64_t rows, const Plan& plan);

// Rows of the batch that go through time together at most; so many passes over the weights each step takes.
constexpr std::int64_t kGroupRows = 48;

// Hidden units are shared in whole cache lines of h.
template <class T>
std::int64_t hidden_lines(const PackedNetwork<T>& net) {
  constexpr auto line = static_cast<std::int64_t>(kCacheLine / sizeof(T));
  return (net.spec.hidden_size + line - 1) / line;
}

}  // namespace gatecell
