// The scratch memory of a call: what each share has, and what several shares have together.
#include <algorithm>
#include <new>

#include "schedule/call_executor.h"

namespace gatecell {

template <class T>
void CallExecutor<T>::lay_out(BumpAllocator& allocator) {
  shares_ = allocator.allocate<Share<T>>(plan_.threads());
  // Layers but the last need buffers for their outputs. Where layers are split, a layer may be two chunks ahead of the
  // layer above it. Otherwise all layers use two buffers in turn.
  const std::int64_t inner_layers = spec_.num_layers - 1;
  const std::int64_t buffers = plan_.layer_parts > 1 ? 2 * inner_layers : std::min<std::int64_t>(inner_layers, 2);
  int index = 0;
  for (int rows = 0; rows < plan_.row_parts; ++rows) {
    Share<T> share{};
    if (inner_layers > 0) share.layer_outputs = allocator.allocate<T>(buffers * layer_output_size());
    if (plan_.layer_parts > 1) share.layer_counters = allocate_counters(allocator, spec_.num_layers);
    share.direction_counters = allocate_counters(allocator, plan_.direction_parts * plan_.hidden_parts);
    for (int direction = 0; direction < plan_.direction_parts; ++direction) {
      share.hidden_counters = allocate_counters(allocator, plan_.hidden_parts);
      DirectionRun<T>* const runs = allocate_runs(allocator, direction);
      for (int hidden = 0; hidden < plan_.hidden_parts; ++hidden) {
        share.runs = plan_.hidden_parts > 1 ? allocate_runs_of_share(runs, hidden, allocator) : runs;
        for (int turn = 0; turn < plan_.layer_parts; ++turn) {
          share.index = {rows, direction, hidden, turn};
          const bool fused = plan_.fused && !ragged_;
          share.projected =
              fused ? nullptr
                    : allocator.allocate<T>(DirectionRun<T>::pre_activations_size(net_, chunk(), group_rows()));
          if (counts_) share.stats = allocate_stats(allocator);
          if (ragged_) allocate_for_lengths(share, allocator);
          if (shares_) shares_[index++] = share;
        }
      }
    }
  }
}

template <class T>
inline ExecutionStats* CallExecutor<T>::allocate_stats(BumpAllocator& allocator) const {
  ExecutionStats* stats = allocator.allocate<ExecutionStats>(1);
  return stats ? new (stats) ExecutionStats() : nullptr;
}

// One counter per thread or layer. One thread alone needs none: null.
template <class T>
inline WaitCounter* CallExecutor<T>::allocate_counters(BumpAllocator& allocator, std::int64_t count) const {
  if (count == 1) return nullptr;
  WaitCounter* counters = allocator.allocate<WaitCounter>(count);
  for (std::int64_t i = 0; counters && i < count; ++i) new (&counters[i]) WaitCounter();
  return counters;
}

// The direction runs of all layers, for the directions of a share and for all hidden units.
template <class T>
inline DirectionRun<T>* CallExecutor<T>::allocate_runs(BumpAllocator& allocator, int first_direction) const {
  DirectionRun<T>* runs = allocator.allocate<DirectionRun<T>>(spec_.num_layers * directions_per_share());
  DirectionRun<T>* next = runs;
  for (std::int64_t layer = 0; layer < spec_.num_layers; ++layer) {
    for (int i = 0; i < directions_per_share(); ++i) {
      const int direction = first_direction + i;
      if (runs) {
        new (next++) DirectionRun<T>(net_, layer, direction, group_rows(), allocator);
      } else {
        DirectionRun<T>(net_, layer, direction, group_rows(), allocator);  // only measures
      }
    }
  }
  return runs;
}

// Runs in the same memory as `runs`, for one share of the hidden units.
template <class T>
inline DirectionRun<T>* CallExecutor<T>::allocate_runs_of_share(const DirectionRun<T>* runs, int hidden,
                                                                BumpAllocator& allocator) const {
  const std::int64_t count = spec_.num_layers * directions_per_share();
  DirectionRun<T>* shared = allocator.allocate<DirectionRun<T>>(count);
  for (std::int64_t i = 0; shared && i < count; ++i) {
    new (&shared[i]) DirectionRun<T>(runs[i].for_share({hidden, plan_.hidden_parts}));
  }
  return shared;
}

template <class T>
inline void CallExecutor<T>::allocate_for_lengths(Share<T>& share, BumpAllocator& allocator) const {
  share.x_index = allocator.allocate<std::ptrdiff_t>(chunk() * group_rows());
  share.y_index = allocator.allocate<std::ptrdiff_t>(chunk() * group_rows());
  share.offsets = allocator.allocate<std::ptrdiff_t>(steps() + 1);
  share.chunk_starts = allocator.allocate<std::ptrdiff_t>(steps() + 1);
}

template void CallExecutor<float>::lay_out(BumpAllocator&);
template void CallExecutor<double>::lay_out(BumpAllocator&);

}  // namespace gatecell
