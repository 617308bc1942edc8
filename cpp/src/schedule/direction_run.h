// One layer in one direction, run through time for a group of rows: its state, and how it takes a chunk of steps.
#pragma once

#include "pack/packed.h"
#include "runtime/memory.h"
#include "schedule/barrier.h"
#include "schedule/execution_stats.h"
#include "schedule/view.h"

namespace gatecell {

// Where a direction run loads its state from and stores it to. The state of row r is in state row index[r] of these
// arrays.
template <class T>
struct StateArrays {
  const T* h_0;  // (state rows, state size); null: zeros
  const T* c_0;  // (state rows, hidden size)
  T* h_n;        // as h_0, and may be the same array; null: not stored
  T* c_n;
  std::ptrdiff_t h_row = 0, c_row = 0;  // the distances between state rows
  const std::int64_t* index = nullptr;  // null: 0, 1, ...

  // The same arrays from this row on; with an index, from this element of it on.
  StateArrays from_row(std::ptrdiff_t row) const {
    const std::ptrdiff_t first = index ? 0 : row;
    const auto at = [&](auto* array, std::ptrdiff_t distance) { return array ? array + first * distance : nullptr; };
    return {
        at(h_0, h_row), at(c_0, c_row), at(h_n, h_row), at(c_n, c_row), h_row, c_row, index ? index + row : nullptr};
  }
};

// The state arrays of one direction run in a call, where they are (layers*directions, state rows, size).
template <class T>
StateArrays<T> state_arrays(const Spec& spec, const Call<T>& call, std::ptrdiff_t direction_index) {
  const std::ptrdiff_t state_size = spec.state_size(), hidden_size = spec.hidden_size;
  const std::ptrdiff_t row = direction_index * (call.state_rows ? call.state_capacity : call.rows);
  const auto at = [&](auto* array, std::ptrdiff_t size) { return array ? array + row * size : nullptr; };
  return {at(call.h_0, state_size),
          at(call.c_0, hidden_size),
          at(call.h_n, state_size),
          at(call.c_n, hidden_size),
          state_size,
          hidden_size,
          call.state_rows};
}

// The hidden units of one thread, where `count` threads take each step together.
struct HiddenShare {
  int index = 0, count = 1;
};

// What each thread has of its own during a call.
template <class T>
struct ThreadContext {
  T* projected;           // room for the projected pre-activations of a chunk
  Barrier barrier;        // of the threads that have the other hidden units
  ExecutionStats* stats;  // null: nobody asks
};

template <class T>
class DirectionRun {
 public:
  // Lays out the state of up to group_rows rows.
  DirectionRun(const PackedNetwork<T>& net, std::int64_t layer, int direction, std::ptrdiff_t group_rows,
               BumpAllocator& allocator);

  // A run in the same memory, for the thread that computes this share of the hidden units. The threads of all shares
  // must make the same calls, and must wait at a barrier after begin() and, before the next step, after rows join.
  DirectionRun for_share(HiddenShare share) const;

  // The number of pre-activations of some steps and rows, with padding.
  static std::ptrdiff_t pre_activations_size(const PackedNetwork<T>& net, std::ptrdiff_t steps, std::ptrdiff_t rows);

  // Begins a sequence with this number of active rows.
  void begin(const StateArrays<T>& state, std::ptrdiff_t rows);
  // Sets the number of active rows, longest first. Rows that join load h_0 and c_0; rows that end store h_n and c_n.
  void set_active_rows(std::ptrdiff_t rows);

  // Takes `steps` steps, in the reverse direction from the last to the first. Writes h of every step to y. The input
  // products are computed in each step (fused), or for all steps before the first one (projected). The threads of all
  // shares wait for each other after every step. If x has offsets, they give the number of active rows of each step;
  // otherwise the number of active rows stays the same.
  void advance(const View<const T>& x, const View<T>& y, std::ptrdiff_t steps, bool fused, ThreadContext<T>& context);

  // Where the present state is, until the next step.
  StateArrays<T> state() const { return {h_, c_, h_, c_, weights_->state_stride(), weights_->hidden_stride()}; }
  // Copies the present state to contiguous arrays.
  void get_state(T* h, T* c) const;
  // Sets the state of one row to zeros.
  void reset(std::ptrdiff_t row);

 private:
  // The blocks first ... last-1 of a matrix, and the units in them.
  struct Range {
    std::ptrdiff_t first, last, first_unit, units;
  };
  static Range range_of(const PanelShape& shape, HiddenShare share);

  inline void load_state(const StateArrays<T>& from, std::ptrdiff_t first, std::ptrdiff_t last);
  inline void store_state(const StateArrays<T>& to, std::ptrdiff_t first, std::ptrdiff_t last) const;
  void project(const View<const T>& x, std::ptrdiff_t steps, T* projected) const;
  inline void update_active_rows(std::ptrdiff_t rows, Barrier& barrier);
  inline void step(View<T> y, Barrier& barrier);
  void project_hidden(View<T> y, Barrier& barrier) const;
  void add_stats(const std::ptrdiff_t* offsets, std::ptrdiff_t steps, bool fused, ExecutionStats& stats) const;

  const PackedNetwork<T>* net_;
  const PackedDirection<T>* weights_;
  bool reverse_;
  Range hidden_range_;  // this thread's units of c and of the gates
  Range state_range_;   // this thread's units of h
  StateArrays<T> state_{};
  std::ptrdiff_t active_rows_ = 0;
  T* h_;       // h(t-1): other hidden blocks still read it while h(t) is written
  T* h_next_;  // h(t)
  T* c_;       // null without c
  T* c_next_;  // the same as c_, unless other hidden blocks read c(t-1) while c(t) is written
  T* hidden_;  // o * tanh(c) before the projection; null without a projection
  StepArgs<T> args_{};
};

}  // namespace gatecell
