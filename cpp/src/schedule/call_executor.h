// Runs a call on several threads, each of which computes one share of it.
//
// A plan can split four things:
// * Rows: each thread takes its rows through the whole network, and never waits.
// * Directions: two threads take a direction each, and wait for each other at the end of every layer.
// * Hidden units: the threads take every step of a direction run together, each for its own units, and wait for each
//   other after it. The weights of a thread's units stay in its own cache.
// * Layers: the threads take chunks of layers in turn, and wait where a chunk needs the result of another.
//
// A network of one direction takes each chunk through all layers, so the chunk limits the scratch. With two directions
// a layer's whole output must exist before the next layer begins.
//
// Between the layers, rows of different lengths are packed: the rows active at step 0, then those active at step 1, ...
// As rows end, a chunk takes more steps, until it is as full as before. In x and y an index says where each row is.
//
// Files: call_executor.cpp has the work of a thread, call_layout.cpp the layout of scratch, call_order.cpp the order of
// layers and chunks. call_executor.cpp calls chunk_by_chunk and layer_by_layer, which call_order.cpp defines. Every
// other private function of these files is used only in the file that defines it, and is inline.
#pragma once

#include "schedule/direction_run.h"
#include "schedule/plan.h"
#include "schedule/ragged.h"
#include "schedule/timeline.h"

namespace gatecell {

// The rows, direction and hidden units of a thread, and its turn where layers are split.
struct ShareIndex {
  int rows, direction, hidden, turn;
};

// What one thread computes, and the memory it works in. Shares with the same rows have the same layer_outputs,
// direction_counters and layer_counters. If they also have the same directions, they have the same hidden_counters.
template <class T>
struct Share {
  ShareIndex index;
  DirectionRun<T>* runs;            // [layer][direction of this share]
  T* projected;                     // pre-activations of a chunk; null if all steps are fused
  T* layer_outputs;                 // outputs of all layers but the last
  WaitCounter* direction_counters;  // [direction share * hidden share], for the barrier at the end of a layer
  WaitCounter* hidden_counters;     // [hidden share], for the barrier after each step
  WaitCounter* layer_counters;      // [layer]: the number of chunks that are done
  ExecutionStats* stats;            // null: nobody asks
  // Only a call with lengths sets the four pointers below.
  std::ptrdiff_t *offsets, *chunk_starts;  // of the timeline
  std::ptrdiff_t *x_index, *y_index;       // where each row of each step of a chunk begins
};

// Rows that go through time together in one thread.
struct RowGroup {
  std::ptrdiff_t first;  // row; with lengths: place (see Ragged)
  Timeline time;
};

template <class T>
class CallExecutor {
 public:
  // `ragged` is null for a call without lengths, `states` for a call that has its state arrays itself. counts: whether
  // the threads count what they do.
  CallExecutor(const PackedNetwork<T>& net, const Call<T>& call, const StateArrays<T>* states, const Plan& plan,
               const Ragged* ragged, bool counts)
      : net_(net), spec_(net.spec), call_(call), states_(states), plan_(plan), ragged_(ragged), counts_(counts) {}

  // Lays out all scratch memory. If the allocator is too small, this only measures.
  void lay_out(BumpAllocator& allocator);

  // Computes one share, on the thread that calls this.
  void run_share(int index) const;

  void add_stats(ExecutionStats& stats) const;

 private:
  std::ptrdiff_t steps() const { return ragged_ ? ragged_->steps() : call_.steps; }
  std::ptrdiff_t chunk() const { return plan_.chunk; }
  std::ptrdiff_t group_rows() const { return plan_.group_rows; }
  int directions_per_share() const { return plan_.direction_parts > 1 ? 1 : spec_.num_directions(); }
  std::ptrdiff_t layer_output_size() const {
    return (spec_.bidirectional ? steps() : chunk()) * group_rows() * spec_.output_size();
  }

  // call_layout.cpp
  inline ExecutionStats* allocate_stats(BumpAllocator& allocator) const;
  inline WaitCounter* allocate_counters(BumpAllocator& allocator, std::int64_t count) const;
  inline DirectionRun<T>* allocate_runs(BumpAllocator& allocator, int first_direction) const;
  inline DirectionRun<T>* allocate_runs_of_share(const DirectionRun<T>* runs, int hidden,
                                                 BumpAllocator& allocator) const;
  inline void allocate_for_lengths(Share<T>& share, BumpAllocator& allocator) const;

  // call_executor.cpp
  inline RowGroup make_group(const Share<T>& share, std::ptrdiff_t first, std::ptrdiff_t rows) const;
  inline void fill_padding_of(const RowGroup& group) const;

  // call_order.cpp
  void chunk_by_chunk(const Share<T>& share, const RowGroup& group, ThreadContext<T>& context) const;
  inline void run_task(const Share<T>& share, std::int64_t layer, std::int64_t index, const RowGroup& group,
                       ThreadContext<T>& context) const;
  inline void wait_for_chunks(const Share<T>& share, std::int64_t layer, std::int64_t chunks) const;
  void layer_by_layer(const Share<T>& share, const RowGroup& group, Barrier& directions,
                      ThreadContext<T>& context) const;
  inline void run_through_time(const Share<T>& share, DirectionRun<T>& run, std::int64_t layer, int direction,
                               const RowGroup& group, ThreadContext<T>& context) const;
  inline void begin(DirectionRun<T>& run, std::int64_t layer, int direction, const RowGroup& group,
                    ThreadContext<T>& context) const;
  inline void end(DirectionRun<T>& run, int direction, const RowGroup& group) const;
  inline bool is_fused(const RowGroup& group, std::ptrdiff_t t, std::ptrdiff_t steps) const;
  inline StateArrays<T> state_arrays(std::int64_t layer, int direction, const RowGroup& group) const;
  template <class U>
  inline View<U> call_view(U* data, std::ptrdiff_t step, std::ptrdiff_t row, const RowGroup& group, std::ptrdiff_t t,
                           std::ptrdiff_t steps, std::ptrdiff_t* index) const;
  inline View<const T> x_view(const Share<T>& share, const RowGroup& group, std::ptrdiff_t t,
                              std::ptrdiff_t steps) const;
  inline View<T> y_view(const Share<T>& share, const RowGroup& group, int direction, std::ptrdiff_t t,
                        std::ptrdiff_t steps) const;
  inline View<T> layer_output(const Share<T>& share, std::int64_t buffer, const RowGroup& group,
                              std::ptrdiff_t t) const;

  const PackedNetwork<T>& net_;
  const Spec& spec_;
  const Call<T>& call_;
  const StateArrays<T>* states_;  // [layer]
  const Plan& plan_;
  const Ragged* ragged_;
  bool counts_;
  Share<T>* shares_ = nullptr;
};

}  // namespace gatecell
