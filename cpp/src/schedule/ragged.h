// Rows of different lengths, in the order in which threads take them.
//
// Rows are sorted by length, longest first, and given to the shares in turn: the first row to the first share, the
// second row to the second share, ... So all shares have about the same number of steps. The rows of a share are sorted
// too, so at each step the active rows are the first rows of their group.
#pragma once

#include <algorithm>
#include <vector>

#include "gatecell/network.h"

namespace gatecell {

// The extent of a call with lengths. Without lengths it is zero.
template <class T>
Extent extent(const Call<T>& call);

// Sets a padded y to zeros behind the end of this row.
template <class T>
void fill_padding(const Call<T>& call, std::int64_t features, std::int64_t row) {
  for (std::int64_t t = call.lengths[row]; t < call.steps; ++t) {
    std::fill_n(call.y + t * call.y_step + row * call.y_row, features, T(0));
  }
}

// The rows of a call by place. A place is a position in the new order: the rows of share 0, then those of share 1, ...
class Ragged {
 public:
  // Takes time proportional to rows + steps. May throw std::bad_alloc.
  template <class T>
  Ragged(const Call<T>& call, std::int64_t longest, int shares);

  std::int64_t steps() const { return steps_; }  // of the longest row
  std::int64_t row(std::int64_t place) const { return rows_[static_cast<std::size_t>(place)]; }
  std::int64_t length(std::int64_t place) const { return lengths_[static_cast<std::size_t>(place)]; }
  // The state rows of the rows, from this place on.
  const std::int64_t* state_rows(std::int64_t place) const { return state_rows_.data() + place; }

  // The offset of (t, place) in x or y, which has these strides.
  std::ptrdiff_t offset(std::ptrdiff_t step, std::ptrdiff_t row, std::int64_t t, std::int64_t place) const {
    const std::ptrdiff_t index = index_[static_cast<std::size_t>(place)];
    switch (layout_) {
      case Layout::packed:
        return (rows_before_step_[static_cast<std::size_t>(t)] + index) * row;
      case Layout::jagged:
        return (index + t) * step;
      case Layout::padded:
        break;
    }
    return t * step + index * row;
  }

 private:
  Layout layout_;
  std::int64_t steps_;
  // By place:
  std::vector<std::int64_t> rows_, lengths_, state_rows_;
  std::vector<std::ptrdiff_t> index_;  // the row; in a jagged layout the number of steps of all rows before it
  // By step, in a packed layout:
  std::vector<std::ptrdiff_t> rows_before_step_;
};

}  // namespace gatecell
