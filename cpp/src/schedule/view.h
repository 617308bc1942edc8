// A view of x, y or the output of a layer: where the features of each step and row are.
#pragma once

#include <cstddef>

namespace gatecell {

// Features are adjacent. Without offsets, element (t, row) begins at data + t * step + row * this->row. With offsets,
// rows of different lengths are packed: offsets[t] - offsets[0] rows come before the rows that are active at step t.
// With an index as well, these rows begin at data + index[...] instead.
template <class T>
struct View {
  T* data;
  std::ptrdiff_t step;
  std::ptrdiff_t row;
  const std::ptrdiff_t* offsets = nullptr;
  const std::ptrdiff_t* index = nullptr;

  std::ptrdiff_t rows_before(std::ptrdiff_t t) const { return offsets[t] - offsets[0]; }
  T* at(std::ptrdiff_t t, std::ptrdiff_t r) const {
    return !offsets ? data + t * step + r * row
                    : data + (index ? index[rows_before(t) + r] : (rows_before(t) + r) * row);
  }
  View from_step(std::ptrdiff_t t) const {
    if (!offsets) return {data + t * step, step, row};
    if (!index) return {data + rows_before(t) * row, step, row, offsets + t};
    return {data, step, row, offsets + t, index + rows_before(t)};
  }
  View from_feature(std::ptrdiff_t k) const { return {data + k, step, row, offsets, index}; }
};

template <class T>
View<const T> as_const(View<T> view) {
  return {view.data, view.step, view.row, view.offsets, view.index};
}

}  // namespace gatecell
