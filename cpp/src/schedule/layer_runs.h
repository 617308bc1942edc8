// The direction runs of all layers, for one thread that takes a group of rows through one chunk at a time: a stream,
// and calls of one chunk. Less is laid out and decided for them than for the shares of a CallExecutor.
#pragma once

#include <algorithm>

#include "schedule/direction_run.h"

namespace gatecell {

template <class T>
class LayerRuns {
 public:
  // For chunks of up to this number of steps.
  LayerRuns(const PackedNetwork<T>& net, std::ptrdiff_t rows, std::ptrdiff_t steps)
      : net_(&net), rows_(rows), steps_(steps) {}

  // Lays out the runs, the outputs of all layers but the last and, unless all chunks are fused, the pre-activations. If
  // the allocator is too small, this only measures.
  void lay_out(BumpAllocator& allocator, bool fused) {
    const Spec& spec = net_->spec;
    const std::int64_t directions = spec.num_directions();
    runs_ = allocator.allocate<DirectionRun<T>>(spec.num_layers * directions);
    DirectionRun<T>* next = runs_;
    for (std::int64_t layer = 0; layer < spec.num_layers; ++layer) {
      for (int direction = 0; direction < directions; ++direction) {
        if (runs_) {
          new (next++) DirectionRun<T>(*net_, layer, direction, rows_, allocator);
        } else {
          DirectionRun<T>(*net_, layer, direction, rows_, allocator);  // only measures
        }
      }
    }
    for (std::int64_t i = 0; i < std::min<std::int64_t>(spec.num_layers - 1, 2); ++i) {
      outputs_[i] = allocator.allocate<T>(steps_ * rows_ * spec.output_size());
    }
    if (!fused) projected_ = allocator.allocate<T>(DirectionRun<T>::pre_activations_size(*net_, steps_, rows_));
  }

  // Takes a chunk through all layers. It adds what it does to `stats`, unless that is null.
  void advance(const View<const T>& x, const View<T>& y, std::ptrdiff_t steps, bool fused, ExecutionStats* stats) {
    ThreadContext<T> context = {projected_, Barrier(nullptr, 0, 1), stats};
    const Spec& spec = net_->spec;
    const View<const T>* in = &x;
    View<const T> output_below;
    for (std::int64_t layer = 0; layer + 1 < spec.num_layers; ++layer) {
      const std::ptrdiff_t row = spec.output_size();
      const View<T> out = {outputs_[layer % 2], rows_ * row, row};
      advance_layer(layer, *in, out, steps, fused, context);
      output_below = as_const(out);
      in = &output_below;
    }
    advance_layer(spec.num_layers - 1, *in, y, steps, fused, context);
  }

  // The run of a layer and direction, layer by layer.
  DirectionRun<T>& operator[](std::ptrdiff_t direction_index) const { return runs_[direction_index]; }

 private:
  void advance_layer(std::int64_t layer, const View<const T>& in, const View<T>& out, std::ptrdiff_t steps, bool fused,
                     ThreadContext<T>& context) {
    const Spec& spec = net_->spec;
    if (!spec.bidirectional) return runs_[layer].advance(in, out, steps, fused, context);
    runs_[2 * layer].advance(in, out, steps, fused, context);
    runs_[2 * layer + 1].advance(in, out.from_feature(spec.state_size()), steps, fused, context);
  }

  const PackedNetwork<T>* net_;
  std::ptrdiff_t rows_, steps_;
  DirectionRun<T>* runs_ = nullptr;  // [layer][direction]
  T* outputs_[2] = {};               // of layers but the last, in turn
  T* projected_ = nullptr;
};

}  // namespace gatecell
