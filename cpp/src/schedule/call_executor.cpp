#include "schedule/call_executor.h"

#include <algorithm>

namespace gatecell {

template <class T>
void CallExecutor<T>::run_share(int index) const {
  const Share<T>& share = shares_[index];
  const ShareIndex& own = share.index;
  ThreadContext<T> context = {share.projected, Barrier(share.hidden_counters, own.hidden, plan_.hidden_parts),
                              share.stats};
  Barrier directions(share.direction_counters, own.direction * plan_.hidden_parts + own.hidden,
                     plan_.direction_parts * plan_.hidden_parts);
  const std::ptrdiff_t first = first_row(call_.rows, plan_.row_parts, own.rows);
  const std::ptrdiff_t last = first_row(call_.rows, plan_.row_parts, own.rows + 1);
  for (std::ptrdiff_t row = first; row < last; row += group_rows()) {
    const RowGroup group = make_group(share, row, std::min(group_rows(), last - row));
    if (own.direction + own.hidden + own.turn == 0) fill_padding_of(group);
    if (spec_.bidirectional) {
      layer_by_layer(share, group, directions, context);
    } else {
      chunk_by_chunk(share, group, context);
    }
  }
  if (share.stats) {
    share.stats->threads = 1;
    share.stats->barriers = context.barrier.rounds();
  }
}

template <class T>
void CallExecutor<T>::add_stats(ExecutionStats& stats) const {
  for (int i = 0; i < plan_.threads(); ++i) stats.merge(*shares_[i].stats);
}

template <class T>
inline RowGroup CallExecutor<T>::make_group(const Share<T>& share, std::ptrdiff_t first, std::ptrdiff_t rows) const {
  if (!ragged_) return {first, Timeline(rows, call_.steps, chunk())};
  return {first, Timeline(*ragged_, first, rows, chunk(), share.offsets, share.chunk_starts)};
}

template <class T>
inline void CallExecutor<T>::fill_padding_of(const RowGroup& group) const {
  if (!ragged_ || call_.layout != Layout::padded) return;
  for (std::ptrdiff_t r = 0; r < group.time.rows(); ++r) {
    fill_padding(call_, spec_.output_size(), ragged_->row(group.first + r));
  }
}

template void CallExecutor<float>::run_share(int) const;
template void CallExecutor<double>::run_share(int) const;
template void CallExecutor<float>::add_stats(ExecutionStats&) const;
template void CallExecutor<double>::add_stats(ExecutionStats&) const;

}  // namespace gatecell
