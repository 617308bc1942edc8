// Rows of different lengths, in the order in which threads take them.
//
// Rows are sorted by length, longest first, and dealt to the parts like cards, so that all parts have about as many
// steps to do. A part's rows are then sorted too: at each step those still going are the first ones of their group.
#pragma once

#include <algorithm>
#include <vector>

#include "gatecell/network.h"

namespace gatecell {

// What a call's lengths amount to; without lengths, its shape.
struct Extent {
  std::int64_t longest = 0, total = 0;  // steps of a row, and of all rows
};
template <class T>
Extent extent(const Call<T>& call);

// Zeros in a padded y behind the end of this row.
template <class T>
void fill_padding(const Call<T>& call, std::int64_t features, std::int64_t row) {
  for (std::int64_t t = call.lengths[row]; t < call.steps; ++t) {
    std::fill_n(call.y + t * call.y_step + row * call.y_row, features, T(0));
  }
}

// A call's rows by place: the first places are those of part 0, then come those of part 1, ...
class Ragged {
 public:
  // Takes the time of so many rows and steps. May throw std::bad_alloc.
  template <class T>
  Ragged(const Call<T>& call, std::int64_t longest, int parts);

  std::int64_t steps() const { return steps_; }  // of the longest row
  std::int64_t row(std::int64_t place) const { return rows_[static_cast<std::size_t>(place)]; }
  std::int64_t length(std::int64_t place) const { return lengths_[static_cast<std::size_t>(place)]; }
  // Indices of the state arrays' rows, from this place on.
  const std::int64_t* state_rows(std::int64_t place) const { return state_rows_.data() + place; }

  // Where (t, place) is in x or y of these strides.
  std::ptrdiff_t offset(std::ptrdiff_t step, std::ptrdiff_t row, std::int64_t t, std::int64_t place) const {
    const std::ptrdiff_t index = index_[static_cast<std::size_t>(place)];
    switch (layout_) {
      case Layout::packed:
        return (times_[static_cast<std::size_t>(t)] + index) * row;
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
  std::vector<std::ptrdiff_t> index_;  // the row; jagged: steps of the rows before it
  std::vector<std::ptrdiff_t> times_;  // by step, packed: rows before it
};

}  // namespace gatecell
