// The steps of one group of rows: the number of active rows at each step, and where its chunks begin.
#pragma once

#include <algorithm>

#include "schedule/ragged.h"

namespace gatecell {

class Timeline {
 public:
  // For rows of equal length.
  Timeline(std::ptrdiff_t rows, std::ptrdiff_t steps, std::ptrdiff_t chunk)
      : rows_(rows), steps_(steps), chunk_(chunk), chunks_(steps <= chunk ? 1 : (steps - 1) / chunk + 1) {}

  // For rows of different lengths: the `rows` rows from place `first` on, longest first. As rows end, a chunk takes
  // more steps: the active rows of all its steps together are at most chunk * rows. offsets and chunk_starts are arrays
  // to fill; each has room for one more element than the longest row has steps.
  Timeline(const Ragged& ragged, std::ptrdiff_t first, std::ptrdiff_t rows, std::ptrdiff_t chunk,
           std::ptrdiff_t* offsets, std::ptrdiff_t* chunk_starts)
      : rows_(rows), steps_(ragged.length(first)), offsets_(offsets), chunk_starts_(chunk_starts) {
    std::ptrdiff_t active = rows;
    offsets[0] = chunk_starts[0] = 0;
    for (std::ptrdiff_t t = 0; t < steps_; ++t) {
      while (ragged.length(first + active - 1) <= t) --active;
      offsets[t + 1] = offsets[t] + active;
      if (offsets[t + 1] - offsets[chunk_starts[chunks_]] > chunk * rows) chunk_starts[++chunks_] = t;
    }
    if (steps_ > 0) chunk_starts[++chunks_] = steps_;
  }

  std::ptrdiff_t rows() const { return rows_; }
  std::ptrdiff_t steps() const { return steps_; }
  std::ptrdiff_t chunks() const { return chunks_; }
  // The first step of a chunk; for chunks() the number of steps.
  std::ptrdiff_t chunk_start(std::ptrdiff_t chunk) const {
    return chunk_starts_ ? chunk_starts_[chunk] : std::min(chunk * chunk_, steps_);
  }
  // offsets()[t] is the number of steps of all rows before step t. Null for rows of equal length.
  const std::ptrdiff_t* offsets() const { return offsets_; }
  std::ptrdiff_t active_rows(std::ptrdiff_t t) const { return offsets_ ? offsets_[t + 1] - offsets_[t] : rows_; }

 private:
  std::ptrdiff_t rows_, steps_, chunk_ = 0, chunks_ = 0;
  const std::ptrdiff_t *offsets_ = nullptr, *chunk_starts_ = nullptr;
};

}  // namespace gatecell
