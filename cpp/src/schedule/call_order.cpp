// In which order a thread takes layers and chunks, and what each chunk reads and writes.
#include "schedule/call_executor.h"

namespace gatecell {

// The order for networks of one direction. A task is one chunk of one layer. If the layers are not split, each chunk
// goes through all layers. If they are, the tasks go by diagonals: all tasks of a diagonal have the same layer + chunk.
// A task then needs only results of the diagonal before. The distance to those tasks is about the number of layers, so
// threads that take tasks in turn hardly wait.
template <class T>
void CallExecutor<T>::chunk_by_chunk(const Share<T>& share, const RowGroup& group, ThreadContext<T>& context) const {
  const std::int64_t layers = spec_.num_layers, chunks = group.time.chunks();
  const std::int64_t slope = plan_.layer_parts > 1 ? 1 : 0;
  for (std::int64_t layer = 0; chunks == 0 && layer < layers; ++layer) {  // no steps: only copies the state
    begin(share.runs[layer], layer, 0, group, context);
    end(share.runs[layer], 0, group);
  }
  int turn = 0;
  for (std::int64_t diagonal = 0; diagonal < chunks + slope * (layers - 1); ++diagonal) {
    for (std::int64_t layer = 0; layer < layers; ++layer) {
      const std::int64_t index = diagonal - slope * layer;
      if (index < 0 || index >= chunks) continue;
      if (turn == share.index.turn) run_task(share, layer, index, group, context);
      turn = turn + 1 == plan_.layer_parts ? 0 : turn + 1;
    }
  }
}

// Takes chunk `index` of one layer. It needs chunk index-1 of the layer and chunk `index` of the layer below. It writes
// to the buffer that the layer above has read for its chunk index-2.
template <class T>
inline void CallExecutor<T>::run_task(const Share<T>& share, std::int64_t layer, std::int64_t index,
                                      const RowGroup& group, ThreadContext<T>& context) const {
  const std::int64_t top = spec_.num_layers - 1;
  if (share.layer_counters) {
    wait_for_chunks(share, layer, index);
    if (layer > 0) wait_for_chunks(share, layer - 1, index + 1);
    if (layer < top) wait_for_chunks(share, layer + 1, index - 1);
  }
  const std::ptrdiff_t t = group.time.chunk_start(index), steps = group.time.chunk_start(index + 1) - t;
  const auto buffer_of = [&](std::int64_t inner_layer) {
    return plan_.layer_parts > 1 ? 2 * inner_layer + index % 2 : inner_layer % 2;
  };
  const View<const T> in =
      layer == 0 ? x_view(share, group, t, steps) : as_const(layer_output(share, buffer_of(layer - 1), group, t));
  const View<T> out =
      layer == top ? y_view(share, group, 0, t, steps) : layer_output(share, buffer_of(layer), group, t);
  DirectionRun<T>& run = share.runs[layer];
  if (index == 0) begin(run, layer, 0, group, context);
  run.advance(in, out, steps, is_fused(group, t, steps), context);
  if (index + 1 == group.time.chunks()) end(run, 0, group);
  if (share.layer_counters) share.layer_counters[layer].raise(static_cast<std::uint32_t>(index) + 1);
}

// Waits until the layer has done this number of chunks.
template <class T>
inline void CallExecutor<T>::wait_for_chunks(const Share<T>& share, std::int64_t layer, std::int64_t chunks) const {
  if (chunks > 0) share.layer_counters[layer].wait_for(static_cast<std::uint32_t>(chunks), kBarrierSpin);
}

// The order for networks of two directions.
template <class T>
void CallExecutor<T>::layer_by_layer(const Share<T>& share, const RowGroup& group, Barrier& directions,
                                     ThreadContext<T>& context) const {
  for (std::int64_t layer = 0; layer < spec_.num_layers; ++layer) {
    for (int i = 0; i < directions_per_share(); ++i) {
      const int direction = share.index.direction + i;
      DirectionRun<T>& run = share.runs[layer * directions_per_share() + i];
      begin(run, layer, direction, group, context);
      run_through_time(share, run, layer, direction, group, context);
      end(run, direction, group);
    }
    // Now both directions of the layer are done, and no thread reads the output of the layer below any more.
    directions.arrive_and_wait();
  }
}

template <class T>
inline void CallExecutor<T>::run_through_time(const Share<T>& share, DirectionRun<T>& run, std::int64_t layer,
                                              int direction, const RowGroup& group, ThreadContext<T>& context) const {
  const bool last = layer + 1 == spec_.num_layers;
  for (std::ptrdiff_t i = 0; i < group.time.chunks(); ++i) {
    const std::ptrdiff_t index = direction ? group.time.chunks() - 1 - i : i;
    const std::ptrdiff_t t = group.time.chunk_start(index), steps = group.time.chunk_start(index + 1) - t;
    const View<const T> in = layer == 0 ? x_view(share, group, t, steps)
                                        : as_const(layer_output(share, (layer - 1) % 2, group, 0).from_step(t));
    const View<T> out =
        last ? y_view(share, group, direction, t, steps)
             : layer_output(share, layer % 2, group, 0).from_step(t).from_feature(direction * spec_.state_size());
    run.advance(in, out, steps, is_fused(group, t, steps), context);
  }
}

// In the reverse direction, rows of different lengths join as time goes back: none is active at first.
template <class T>
inline void CallExecutor<T>::begin(DirectionRun<T>& run, std::int64_t layer, int direction, const RowGroup& group,
                                   ThreadContext<T>& context) const {
  run.begin(state_arrays(layer, direction, group), ragged_ && direction == 1 ? 0 : group.time.rows());
  context.barrier.arrive_and_wait();
}

template <class T>
inline void CallExecutor<T>::end(DirectionRun<T>& run, int direction, const RowGroup& group) const {
  if (ragged_ && direction == 1) run.set_active_rows(group.time.rows());  // rows without steps need a state too
  run.set_active_rows(0);
}

template <class T>
inline bool CallExecutor<T>::is_fused(const RowGroup& group, std::ptrdiff_t t, std::ptrdiff_t steps) const {
  return ragged_ ? choose_fused(net_, steps, group.time.active_rows(t), plan_) : plan_.fused;
}

// The state arrays of one direction run, beginning with the first row of the group.
template <class T>
inline StateArrays<T> CallExecutor<T>::state_arrays(std::int64_t layer, int direction, const RowGroup& group) const {
  if (states_) return states_[layer].from_row(group.first);
  StateArrays<T> arrays = gatecell::state_arrays(spec_, call_, layer * spec_.num_directions() + direction);
  if (ragged_) arrays.index = ragged_->state_rows(0);
  return arrays.from_row(group.first);
}

// `steps` steps of the group's rows in x or y, from step t on. With lengths, fills `index` with where the rows begin.
template <class T>
template <class U>
inline View<U> CallExecutor<T>::call_view(U* data, std::ptrdiff_t step, std::ptrdiff_t row, const RowGroup& group,
                                          std::ptrdiff_t t, std::ptrdiff_t steps, std::ptrdiff_t* index) const {
  if (!ragged_) return View<U>{data + group.first * row, step, row}.from_step(t);
  std::ptrdiff_t* next = index;
  for (std::ptrdiff_t i = 0; i < steps; ++i) {
    for (std::ptrdiff_t r = 0; r < group.time.active_rows(t + i); ++r) {
      *next++ = ragged_->offset(step, row, t + i, group.first + r);
    }
  }
  return {data, step, row, group.time.offsets() + t, index};
}

template <class T>
inline View<const T> CallExecutor<T>::x_view(const Share<T>& share, const RowGroup& group, std::ptrdiff_t t,
                                             std::ptrdiff_t steps) const {
  return call_view(call_.x, call_.x_step, call_.x_row, group, t, steps, share.x_index);
}

template <class T>
inline View<T> CallExecutor<T>::y_view(const Share<T>& share, const RowGroup& group, int direction, std::ptrdiff_t t,
                                       std::ptrdiff_t steps) const {
  return call_view(call_.y + direction * spec_.state_size(), call_.y_step, call_.y_row, group, t, steps, share.y_index);
}

// The output of a layer but the last, in one of the buffers. The view begins with step t, which is at the beginning of
// the buffer.
template <class T>
inline View<T> CallExecutor<T>::layer_output(const Share<T>& share, std::int64_t buffer, const RowGroup& group,
                                             std::ptrdiff_t t) const {
  const std::ptrdiff_t *offsets = group.time.offsets(), step = group.time.rows() * spec_.output_size();
  return {share.layer_outputs + buffer * layer_output_size(), step, static_cast<std::ptrdiff_t>(spec_.output_size()),
          offsets ? offsets + t : nullptr};
}

template void CallExecutor<float>::chunk_by_chunk(const Share<float>&, const RowGroup&, ThreadContext<float>&) const;
template void CallExecutor<double>::chunk_by_chunk(const Share<double>&, const RowGroup&, ThreadContext<double>&) const;
template void CallExecutor<float>::layer_by_layer(const Share<float>&, const RowGroup&, Barrier&,
                                                  ThreadContext<float>&) const;
template void CallExecutor<double>::layer_by_layer(const Share<double>&, const RowGroup&, Barrier&,
                                                   ThreadContext<double>&) const;

}  // namespace gatecell
