// One direction of one layer moving through time for a group of rows: its state, and how a stretch of steps is done.
#pragma once

#include "pack/packed.h"
#include "runtime/memory.h"
#include "schedule/counts.h"
#include "schedule/meeting.h"

namespace gatecell {

// A sequence batch: element (t, row) begins at data + t * step + row * this->row; features are adjacent.
template <class T>
struct View {
  T* data;
  std::ptrdiff_t step;
  std::ptrdiff_t row;

  T* at(std::ptrdiff_t t, std::ptrdiff_t r) const { return data + t * step + r * row; }
  View from(std::ptrdiff_t t, std::ptrdiff_t r) const { return {at(t, r), step, row}; }
  // Backwards in time, so that the reverse direction is the same code.
  View reversed(std::ptrdiff_t steps) const { return {at(steps - 1, 0), -step, row}; }
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
  DirectionRun(const PackedNetwork<T>& net, const PackedDirection<T>& weights, std::ptrdiff_t group_rows,
               Carver& carver);

  // The same state, for the thread that has this part of the hidden units. All parts must make the same calls, and meet
  // after begin().
  DirectionRun share(HiddenPart part) const;

  static std::ptrdiff_t gates_size(const PackedNetwork<T>& net, std::ptrdiff_t chunk, std::ptrdiff_t group_rows);

  // h_0 (rows, state size) and c_0 (rows, hidden size), contiguous; null: zeros.
  void begin(std::ptrdiff_t rows, const T* h_0, const T* c_0);

  // `steps` steps from x's first to its last. y gets the new h of every step. Input products are computed in each step
  // (fused), or for all steps before the first. The parts meet after every step.
  void advance(View<const T> x, View<T> y, std::ptrdiff_t steps, bool fused, Hand<T>& hand);

  // The state now, but for what is null.
  void end(T* h_n, T* c_n) const;

 private:
  // Blocks of a matrix, from first to last - 1, and the units in them.
  struct Range {
    std::ptrdiff_t first, last, first_unit, units;
  };
  static Range range(const PanelShape& shape, HiddenPart part);

  void project(View<const T> x, std::ptrdiff_t steps, T* gates) const;
  void step(StepArgs<T>& args, Meeting& meeting);
  void project_hidden(T* y, std::ptrdiff_t y_row, Meeting& meeting) const;
  void count(std::ptrdiff_t steps, bool fused, Counts& counts) const;

  const PackedNetwork<T>* net_;
  const PackedDirection<T>* weights_;
  Range hidden_range_, state_range_;  // this thread's units of c and the gates, and of h
  std::ptrdiff_t rows_ = 0;
  T* h_;  // h(t-1): other hidden blocks still read it while h(t) is written
  T* h_next_;
  T* c_;                    // null without c
  T* hidden_;               // o * tanh(c) before the projection; null without one
  bool backwards_ = false;  // every other step: what it read last is still near
};

}  // namespace gatecell
