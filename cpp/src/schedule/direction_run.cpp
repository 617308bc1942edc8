#include "schedule/direction_run.h"

#include <algorithm>
#include <utility>

namespace gatecell {
namespace {

// Copies the units first ... first+count-1 of n from contiguous memory, or sets them to zero where `from` is null.
// `to` has room for `stride` units. The units after the last one are padding, and become zero.
template <class T>
void copy_units(const T* from, std::ptrdiff_t n, std::ptrdiff_t first, std::ptrdiff_t count, T* to,
                std::ptrdiff_t stride) {
  const std::ptrdiff_t end = first + count;
  T* const zeros = to + (from ? end : first);
  T* const zeros_end = to + (end == n ? stride : end);
  if (from) std::copy_n(from + first, count, to + first);
  if (zeros < zeros_end) std::fill(zeros, zeros_end, T(0));
}

}  // namespace

template <class T>
DirectionRun<T>::DirectionRun(const PackedNetwork<T>& net, std::int64_t layer, int direction, std::ptrdiff_t group_rows,
                              BumpAllocator& allocator)
    : net_(&net),
      weights_(&net.direction(layer, direction)),
      reverse_(direction == 1),
      hidden_range_(range_of(weights_->recurrent, {})),
      state_range_(range_of(weights_->state(), {})) {
  const PackedDirection<T>& w = *weights_;
  const std::ptrdiff_t state_row = w.state_stride(), hidden_row = w.hidden_stride();
  BumpAllocator own = allocator;  // a local copy stays in registers
  const auto state = [&] { return own.allocate<T>(group_rows * state_row); };
  const auto hidden = [&] { return own.allocate<T>(group_rows * hidden_row); };
  const std::ptrdiff_t pre_activations = pre_activations_size(net, 1, 1);
  h_ = state();
  h_next_ = state();
  c_ = net.spec.cell == Cell::lstm ? hidden() : nullptr;
  c_next_ = w.peephole.units ? hidden() : c_;
  args_.sums = net.is_extended ? own.allocate<T>(group_rows * pre_activations) : nullptr;
  args_.reset_h = w.candidate.units ? hidden() : nullptr;
  hidden_ = w.projection.units ? hidden() : nullptr;
  allocator = own;

  args_.panels = &w.recurrent_panels;
  args_.recurrent_bias = w.recurrent_bias;
  args_.first_block = hidden_range_.first;
  args_.last_block = hidden_range_.last;
  args_.depth = w.recurrent.depth;
  args_.projected_row = args_.sums_row = pre_activations;
  args_.input_panels = &w.input_panels;
  args_.bias = w.bias;
  args_.input_depth = w.input.depth;
  args_.h_row = state_row;
  args_.h_next_row = hidden_row;
  args_.c_row = c_ ? hidden_row : 0;
  args_.units = w.recurrent.units;
  args_.relu = net.spec.cell == Cell::rnn_relu;
  args_.extended = &w.extended;
}

template <class T>
std::ptrdiff_t DirectionRun<T>::pre_activations_size(const PackedNetwork<T>& net, std::ptrdiff_t steps,
                                                     std::ptrdiff_t rows) {
  const PanelShape& shape = net.directions.front().input;
  return steps * rows * shape.padded_units() * shape.num_gates;
}

template <class T>
DirectionRun<T> DirectionRun<T>::for_share(HiddenShare share) const {
  DirectionRun run = *this;
  run.hidden_range_ = range_of(weights_->recurrent, share);
  run.state_range_ = range_of(weights_->state(), share);
  run.args_.first_block = run.hidden_range_.first;
  run.args_.last_block = run.hidden_range_.last;
  return run;
}

// Each share begins at a whole cache line of h, so that no two threads write to the same line.
template <class T>
typename DirectionRun<T>::Range DirectionRun<T>::range_of(const PanelShape& shape, HiddenShare share) {
  const std::ptrdiff_t blocks = shape.blocks, lanes = shape.lanes;
  if (share.count == 1) return {0, blocks, 0, shape.units};
  const std::ptrdiff_t line =
      std::max(std::ptrdiff_t{1}, std::ptrdiff_t{kCacheLine / sizeof(T)} / lanes);  // blocks in a cache line
  const std::ptrdiff_t lines = (blocks + line - 1) / line;
  const auto first_block = [&](int index) { return std::min(blocks, lines * index / share.count * line); };
  const std::ptrdiff_t first = first_block(share.index), last = first_block(share.index + 1);
  return {first, last, first * lanes, std::min(last * lanes, shape.units) - first * lanes};
}

template <class T>
inline void DirectionRun<T>::load_state(const StateArrays<T>& from, std::ptrdiff_t first, std::ptrdiff_t last) {
  const Range &s = state_range_, &u = hidden_range_;
  const std::ptrdiff_t state_size = weights_->state().units, hidden_size = weights_->recurrent.units;
  for (std::ptrdiff_t r = first; r < last; ++r) {
    const std::ptrdiff_t i = from.index ? from.index[r] : r;
    copy_units(from.h_0 ? from.h_0 + i * from.h_row : nullptr, state_size, s.first_unit, s.units,
               h_ + r * weights_->state_stride(), weights_->state_stride());
    if (!c_) continue;
    copy_units(from.c_0 ? from.c_0 + i * from.c_row : nullptr, hidden_size, u.first_unit, u.units,
               c_ + r * weights_->hidden_stride(), weights_->hidden_stride());
  }
}

template <class T>
inline void DirectionRun<T>::store_state(const StateArrays<T>& to, std::ptrdiff_t first, std::ptrdiff_t last) const {
  const Range &s = state_range_, &u = hidden_range_;
  for (std::ptrdiff_t r = first; r < last; ++r) {
    const std::ptrdiff_t i = to.index ? to.index[r] : r;
    const std::ptrdiff_t h = r * weights_->state_stride() + s.first_unit;
    const std::ptrdiff_t c = r * weights_->hidden_stride() + u.first_unit;
    if (to.h_n) std::copy_n(h_ + h, s.units, to.h_n + i * to.h_row + s.first_unit);
    if (c_ && to.c_n) std::copy_n(c_ + c, u.units, to.c_n + i * to.c_row + u.first_unit);
  }
}

template <class T>
void DirectionRun<T>::begin(const StateArrays<T>& state, std::ptrdiff_t rows) {
  state_ = state;
  active_rows_ = 0;
  set_active_rows(rows);
}

template <class T>
void DirectionRun<T>::set_active_rows(std::ptrdiff_t rows) {
  rows > active_rows_ ? load_state(state_, active_rows_, rows) : store_state(state_, rows, active_rows_);
  active_rows_ = rows;
}

template <class T>
void DirectionRun<T>::get_state(T* h, T* c) const {
  store_state({nullptr, nullptr, h, c, weights_->state().units, weights_->recurrent.units}, 0, active_rows_);
}

template <class T>
void DirectionRun<T>::reset(std::ptrdiff_t row) {
  load_state({}, row, row + 1);
}

// The other shares read the state of rows that join, so they wait until it is loaded.
template <class T>
inline void DirectionRun<T>::update_active_rows(std::ptrdiff_t rows, Barrier& barrier) {
  const bool join = rows > active_rows_;
  if (rows != active_rows_) set_active_rows(rows);
  if (join) barrier.arrive_and_wait();
}

// Takes the step whose rows, x and projected pre-activations args_ has. y begins with this step.
template <class T>
inline void DirectionRun<T>::step(View<T> y, Barrier& barrier) {
  args_.h = h_;
  args_.h_next = hidden_ ? hidden_ : h_next_;
  args_.y = hidden_ ? nullptr : y.data;
  args_.y_index = y.index;
  args_.c = c_;
  args_.c_next = c_next_;
  if (net_->cell.reset) {
    net_->cell.reset(args_);
    barrier.arrive_and_wait();
  }
  net_->cell.step(args_);
  barrier.arrive_and_wait();
  if (hidden_) project_hidden(y, barrier);
  std::swap(h_, h_next_);
  std::swap(c_, c_next_);
  args_.backwards = !args_.backwards;  // the blocks that this step read last are still in a near cache
}

template <class T>
void DirectionRun<T>::advance(const View<const T>& x, const View<T>& y, std::ptrdiff_t steps, bool fused,
                              ThreadContext<T>& context) {
  if (!fused) project(x, steps, context.projected);
  args_.x_row = x.row;
  args_.y_row = y.row;
  for (std::ptrdiff_t i = 0; i < steps; ++i) {
    const std::ptrdiff_t t = reverse_ ? steps - 1 - i : i;
    if (x.offsets) update_active_rows(x.rows_before(t + 1) - x.rows_before(t), context.barrier);
    args_.rows = active_rows_;
    const std::ptrdiff_t before = x.offsets ? x.rows_before(t) : t * active_rows_;
    args_.projected = fused ? nullptr : context.projected + before * args_.projected_row;
    const View<const T> now = x.from_step(t);
    args_.x = now.data;
    args_.x_index = now.index;
    step(y.from_step(t), context.barrier);
  }
  if (context.stats) add_stats(x.offsets, steps, fused, *context.stats);
}

template <class T>
void DirectionRun<T>::add_stats(const std::ptrdiff_t* offsets, std::ptrdiff_t steps, bool fused,
                                ExecutionStats& stats) const {
  const auto panels_size = [](const PanelShape& shape, const Range& range) {
    return (range.last - range.first) * shape.lanes * shape.num_gates * shape.depth;
  };
  ExecutionStats done;
  (fused ? done.fused_steps : done.projected_steps) = steps;
  done.most_steps = steps;
  for (std::ptrdiff_t t = 0; t < steps; ++t) {
    const std::ptrdiff_t rows = offsets ? offsets[t + 1] - offsets[t] : active_rows_;
    done.most_rows = std::max<std::int64_t>(done.most_rows, rows);
    done.row_steps += rows;
  }
  done.tasks = 1;
  done.weights_read =
      panels_size(weights_->input, hidden_range_) * (fused ? steps : 1) +
      weights_->step_weights() / weights_->recurrent.blocks * (hidden_range_.last - hidden_range_.first) * steps +
      (hidden_ ? panels_size(weights_->projection, state_range_) * steps : 0);
  stats.merge(done);
}

// Projects all (t, row) of a chunk in one call where one stride reaches them. Otherwise makes one call per step or one
// per row, so that each call has as much to do as possible.
template <class T>
void DirectionRun<T>::project(const View<const T>& x, std::ptrdiff_t steps, T* projected) const {
  const std::ptrdiff_t projected_row = args_.projected_row;
  ProjectArgs<T> args{};
  args.panels = weights_->input_panels;
  args.start = weights_->bias;
  args.block_step = weights_->input.num_gates * weights_->input.lanes;
  args.first_block = hidden_range_.first;
  args.last_block = hidden_range_.last;
  args.depth = weights_->input.depth;
  const auto project_rows = [&](const T* from, std::ptrdiff_t from_row, std::ptrdiff_t rows, T* to,
                                std::ptrdiff_t to_row) {
    args.x = from;
    args.x_row = from_row;
    args.rows = rows;
    args.out = to;
    args.out_row = to_row;
    net_->cell.project(args);
  };
  args.x_index = x.index;
  if (x.offsets) {
    project_rows(x.data, x.row, x.rows_before(steps), projected, projected_row);
  } else if (active_rows_ == 1) {
    project_rows(x.data, x.step, steps, projected, projected_row);
  } else if (x.step == active_rows_ * x.row) {
    project_rows(x.data, x.row, steps * active_rows_, projected, projected_row);
  } else if (active_rows_ >= steps) {
    for (std::ptrdiff_t t = 0; t < steps; ++t) {
      project_rows(x.at(t, 0), x.row, active_rows_, projected + t * active_rows_ * projected_row, projected_row);
    }
  } else {
    for (std::ptrdiff_t r = 0; r < active_rows_; ++r) {
      project_rows(x.at(0, r), x.step, steps, projected + r * projected_row, active_rows_ * projected_row);
    }
  }
}

template <class T>
void DirectionRun<T>::project_hidden(View<T> y, Barrier& barrier) const {
  const PackedDirection<T>& w = *weights_;
  const Range& own = state_range_;
  ProjectArgs<T> args{};
  args.panels = w.projection_panels;
  args.start = w.projection_bias;
  args.block_step = w.projection.lanes;
  args.first_block = own.first;
  args.last_block = own.last;
  args.depth = w.projection.depth;
  args.rows = active_rows_;
  args.x = hidden_;
  args.x_row = w.hidden_stride();
  args.out = h_next_;
  args.out_row = w.state_stride();
  net_->kernels.project_hidden(args);
  for (std::ptrdiff_t r = 0; r < active_rows_; ++r) {
    std::copy_n(h_next_ + r * w.state_stride() + own.first_unit, own.units, y.at(0, r) + own.first_unit);
  }
  barrier.arrive_and_wait();
}

template class DirectionRun<float>;
template class DirectionRun<double>;

}  // namespace gatecell
