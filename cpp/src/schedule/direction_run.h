// One direction of one layer moving through time for a group of rows: its state, and how a stretch of steps is done.
#pragma once

#include "pack/packed.h"
#include "runtime/memory.h"
#include "schedule/counts.h"
#include "schedule/meeting.h"

namespace gatecell {

// A sequence batch: element (t, row) begins at data + t * step + row * this->row; features are adjacent. With starts,
// rows of different lengths lie packed instead: starts[t] - starts[0] of them before those still going at step t; or,
// with an index too, that is where their places data + index[...] are told.
template <class T>
struct View {
  T* data;
  std::ptrdiff_t step;
  std::ptrdiff_t row;
  const std::ptrdiff_t* starts = nullptr;
  const std::ptrdiff_t* index = nullptr;

  std::ptrdiff_t before(std::ptrdiff_t t) const { return starts[t] - starts[0]; }
  T* at(std::ptrdiff_t t, std::ptrdiff_t r) const {
    return !starts ? data + t * step + r * row : data + (index ? index[before(t) + r] : (before(t) + r) * row);
  }
  View from(std::ptrdiff_t t) const {
    if (!starts) return {data + t * step, step, row};
    if (!index) return {data + before(t) * row, step, row, starts + t};
    return {data, step, row, starts + t, index + before(t)};
  }
  View features_from(std::ptrdiff_t k) const { return {data + k, step, row, starts, index}; }
};

// Where the state of a direction's rows comes from and goes to: row r's lies at row index[r] of these arrays.
template <class T>
struct StateArrays {
  const T* h_0;  // (rows, state size), contiguous; null: zeros
  const T* c_0;  // (rows, hidden size)
  T* h_n;        // as h_0, and may be the same; null: left out
  T* c_n;
  const std::int64_t* index = nullptr;  // null: 0, 1, ...
};

// One of several threads that take each step together, each with some of the hidden units.
struct HiddenPart {
  int index = 0, parts = 1;
};

// What a thread has of its own while it works.
template <class T>
struct Hand {
  T* gates;         // room for the projected gates of a chunk
  Meeting meeting;  // with those that have the other hidden units
  Counts counts;
};

template <class T>
class DirectionRun {
 public:
  // Lays out the state of up to group_rows rows.
  DirectionRun(const PackedNetwork<T>& net, std::int64_t layer, int direction, std::ptrdiff_t group_rows,
               Carver& carver);

  // The same state, for the thread that has this part of the hidden units. All parts must make the same calls, and meet
  // after begin() and set_rows().
  DirectionRun share(HiddenPart part) const;

  static std::ptrdiff_t gates_size(const PackedNetwork<T>& net, std::ptrdiff_t chunk, std::ptrdiff_t group_rows);

  // The first rows are those still going: more of them take their state from where it comes from, and those that are
  // not any more leave it where it goes to.
  void begin(const StateArrays<T>& state, std::ptrdiff_t rows);
  void set_rows(std::ptrdiff_t rows);

  // `steps` steps, for the reverse direction from the last to the first. y gets the new h of every step. Input products
  // are computed in each step (fused), or for all steps before the first. The parts meet after every step. x's
  // starts say how many rows are still going; without them the rows stay as they are.
  void advance(View<const T> x, View<T> y, std::ptrdiff_t steps, bool fused, Hand<T>& hand);

  // The state now.
  void get_state(T* h, T* c) const { store({nullptr, nullptr, h, c}, 0, rows_); }
  // A row's state: zeros.
  void reset(std::ptrdiff_t row) { load({}, row, row + 1); }

 private:
  // Blocks of a matrix, from first to last - 1, and the units in them.
  struct Range {
    std::ptrdiff_t first, last, first_unit, units;
  };
  static Range range(const PanelShape& shape, HiddenPart part);

  void load(const StateArrays<T>& from, std::ptrdiff_t first, std::ptrdiff_t last);
  void store(const StateArrays<T>& to, std::ptrdiff_t first, std::ptrdiff_t last) const;
  void project(View<const T> x, std::ptrdiff_t steps, T* gates) const;
  void follow(std::ptrdiff_t rows, Meeting& meeting);
  void step(StepArgs<T>& args, View<T> y, Meeting& meeting);
  void project_hidden(View<T> y, Meeting& meeting) const;
  void count(std::ptrdiff_t steps, std::ptrdiff_t row_steps, std::ptrdiff_t most_rows, bool fused,
             Counts& counts) const;

  const PackedNetwork<T>* net_;
  const PackedDirection<T>* weights_;
  bool reverse_;
  Range hidden_range_, state_range_;  // this thread's units of c and the gates, and of h
  StateArrays<T> state_{};
  std::ptrdiff_t rows_ = 0;
  T* h_;  // h(t-1): other hidden blocks still read it while h(t) is written
  T* h_next_;
  T* c_;                    // null without c
  T* c_next_;               // c_ itself unless other hidden blocks read c(t-1) while c(t) is written
  T* sums_;                 // room for a step's gates, and
  T* reset_h_;              // for r * h(t-1); null for PyTorch's cells
  T* hidden_;               // o * tanh(c) before the projection; null without one
  bool backwards_ = false;  // every other step: what it read last is still near
};

}  // namespace gatecell
