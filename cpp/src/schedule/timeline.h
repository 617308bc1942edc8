// A group of rows on its way through time: how many of them are still going at each step, and where its chunks end.
#pragma once

#include <algorithm>

#include "schedule/ragged.h"

namespace gatecell {

class Timeline {
 public:
  // All rows to the end.
  Timeline(std::ptrdiff_t rows, std::ptrdiff_t steps, std::ptrdiff_t chunk)
      : rows_(rows), steps_(steps), chunk_(chunk), chunks_((steps - 1) / chunk + 1) {}

  // Rows from this place on, the longest first: as many steps in a chunk as hold chunk * rows steps of rows. starts and
  // cuts have room for the steps of the longest and one more.
  Timeline(const Ragged& ragged, std::ptrdiff_t first, std::ptrdiff_t rows, std::ptrdiff_t chunk,
           std::ptrdiff_t* starts, std::ptrdiff_t* cuts)
      : rows_(rows), steps_(ragged.length(first)), starts_(starts), cuts_(cuts) {
    std::ptrdiff_t live = rows;
    starts[0] = cuts[0] = 0;
    for (std::ptrdiff_t t = 0; t < steps_; ++t) {
      while (ragged.length(first + live - 1) <= t) --live;
      starts[t + 1] = starts[t] + live;
      if (starts[t + 1] - starts[cuts[chunks_]] > chunk * rows) cuts[++chunks_] = t;
    }
    if (steps_ > 0) cuts[++chunks_] = steps_;
  }

  std::ptrdiff_t rows() const { return rows_; }
  std::ptrdiff_t steps() const { return steps_; }
  std::ptrdiff_t chunks() const { return chunks_; }
  // First step of a chunk; chunks(): the end.
  std::ptrdiff_t cut(std::ptrdiff_t chunk) const { return cuts_ ? cuts_[chunk] : std::min(chunk * chunk_, steps_); }
  // starts()[t]: steps of all rows before step t; null where all rows go to the end.
  const std::ptrdiff_t* starts() const { return starts_; }
  std::ptrdiff_t live(std::ptrdiff_t t) const { return starts_ ? starts_[t + 1] - starts_[t] : rows_; }

 private:
  std::ptrdiff_t rows_, steps_, chunk_ = 0, chunks_ = 0;
  const std::ptrdiff_t *starts_ = nullptr, *cuts_ = nullptr;
};

}  // namespace gatecell
