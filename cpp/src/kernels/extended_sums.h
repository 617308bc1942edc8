// What the extended cells have in common: products that are added to the pre-activations in memory, and the loop of the
// second pass, which ends the step.
#pragma once

#include "step.h"

namespace gatecell {
namespace {

// Bounds a to [-bound, bound]. The bound may be infinite. NaN stays.
template <class T, int N>
GATECELL_INLINE Vectors<T, N> clip(const Vectors<T, N>& a, T bound) {
  return clamp(a, -bound, bound);
}

// out = start + W x for G gates, by the tiles of project. start_row, x_row and out_row are distances between rows,
// block_step is the distance between blocks in start and out.
template <class T, class Weight, int G>
GATECELL_INLINE void add_product(const StepArgs<T>& s, const T* start, std::ptrdiff_t start_row,
                                 std::ptrdiff_t block_step, const Panels& panels, std::ptrdiff_t depth, const T* x,
                                 std::ptrdiff_t x_row, T* out, std::ptrdiff_t out_row) {
  project<T, Weight, G>({panels, start, start_row, block_step, s.first_block, s.last_block, depth, s.rows, x, x_row,
                         nullptr, out, out_row, s.backwards});
}

// Where the input products of all gates are: projected before, or in `sums`. `row` is the distance between rows.
template <class T>
struct InputSums {
  const T* data;
  std::ptrdiff_t row;
};

template <class T>
GATECELL_INLINE InputSums<T> input_sums(const StepArgs<T>& s) {
  return s.projected ? InputSums<T>{s.projected, s.projected_row} : InputSums<T>{s.sums, s.sums_row};
}

// Computes the input products into `sums`, unless they are projected. Returns where they are.
template <class T, class Weight, int G>
GATECELL_INLINE InputSums<T> compute_input_sums(const StepArgs<T>& s) {
  if (!s.projected) {
    project<T, Weight, G>({*s.input_panels, s.bias, 0, G * kLanes<T>, s.first_block, s.last_block, s.input_depth,
                           s.rows, s.x, s.x_row, s.x_index, s.sums, s.sums_row, s.backwards});
  }
  return input_sums(s);
}

// Calls f(place, a) for all blocks and rows, one vector at a time: several would make the library a fifth larger.
// a(gate) loads the pre-activations of one of the G gates.
template <class T, int G, class F>
GATECELL_INLINE void for_sums(const StepArgs<T>& s, const F& f) {
  for (std::ptrdiff_t row = 0; row < s.rows; ++row) {
    for (std::ptrdiff_t block = s.first_block; block < s.last_block; ++block) {
      const Places<T, 1> at{block, row};
      f(at, [&](int gate) GATECELL_ALWAYS { return at.load(s.sums + gate * kLanes<T>, s.sums_row, G * kLanes<T>); });
    }
  }
}

}  // namespace
}  // namespace gatecell
