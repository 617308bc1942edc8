#include "schedule/direction_run.h"

#include <algorithm>
#include <utility>

namespace gatecell {
namespace {

// Units first ... first+count-1 of rows of n, contiguous in `from` or zeros, to rows of `stride`; padding behind the
// last unit is zero.
template <class T>
void copy_in(const T* from, std::ptrdiff_t rows, std::ptrdiff_t n, std::ptrdiff_t first, std::ptrdiff_t count, T* to,
             std::ptrdiff_t stride) {
  for (std::ptrdiff_t r = 0; r < rows; ++r) {
    T* row = to + r * stride;
    if (from) std::copy_n(from + r * n + first, count, row + first);
    const std::ptrdiff_t end = first + count;
    std::fill(row + (from ? end : first), row + (end == n ? stride : end), T(0));
  }
}

template <class T>
void copy_out(const T* from, std::ptrdiff_t rows, std::ptrdiff_t n, std::ptrdiff_t first, std::ptrdiff_t count,
              std::ptrdiff_t stride, T* to) {
  for (std::ptrdiff_t r = 0; r < rows; ++r) std::copy_n(from + r * stride + first, count, to + r * n + first);
}

}  // namespace

template <class T>
DirectionRun<T>::DirectionRun(const PackedNetwork<T>& net, const PackedDirection<T>& weights, std::ptrdiff_t group_rows,
                              Carver& carver)
    : net_(&net),
      weights_(&weights),
      hidden_range_(range(weights.recurrent, {})),
      state_range_(range(weights.state(), {})),
      h_(carver.take<T>(group_rows * weights.state_stride())),
      h_next_(carver.take<T>(group_rows * weights.state_stride())),
      c_(net.spec.cell == Cell::lstm ? carver.take<T>(group_rows * weights.hidden_stride()) : nullptr),
      hidden_(weights.projection.units ? carver.take<T>(group_rows * weights.hidden_stride()) : nullptr) {}

template <class T>
std::ptrdiff_t DirectionRun<T>::gates_size(const PackedNetwork<T>& net, std::ptrdiff_t chunk,
                                           std::ptrdiff_t group_rows) {
  const PanelShape& shape = net.directions.front().input;
  return chunk * group_rows * shape.padded_units() * shape.gates;
}

template <class T>
DirectionRun<T> DirectionRun<T>::share(HiddenPart part) const {
  DirectionRun run = *this;
  run.hidden_range_ = range(weights_->recurrent, part);
  run.state_range_ = range(weights_->state(), part);
  return run;
}

// Parts begin at whole cache lines of h, so that no two threads write one.
template <class T>
typename DirectionRun<T>::Range DirectionRun<T>::range(const PanelShape& shape, HiddenPart part) {
  const std::ptrdiff_t blocks = shape.blocks, lanes = shape.lanes;
  if (part.parts == 1) return {0, blocks, 0, shape.units};
  const std::ptrdiff_t line =
      std::max(std::ptrdiff_t{1}, std::ptrdiff_t{kCacheLine / sizeof(T)} / lanes);  // blocks in a cache line
  const std::ptrdiff_t lines = (blocks + line - 1) / line;
  const auto start = [&](int index) { return std::min(blocks, lines * index / part.parts * line); };
  const std::ptrdiff_t first = start(part.index), last = start(part.index + 1);
  return {first, last, first * lanes, std::min(last * lanes, shape.units) - first * lanes};
}

template <class T>
void DirectionRun<T>::begin(std::ptrdiff_t rows, const T* h_0, const T* c_0) {
  rows_ = rows;
  const Range &s = state_range_, &u = hidden_range_;
  copy_in(h_0, rows, weights_->state().units, s.first_unit, s.units, h_, weights_->state_stride());
  if (c_) copy_in(c_0, rows, weights_->recurrent.units, u.first_unit, u.units, c_, weights_->hidden_stride());
}

template <class T>
void DirectionRun<T>::end(T* h_n, T* c_n) const {
  const Range &s = state_range_, &u = hidden_range_;
  if (h_n) copy_out(h_, rows_, weights_->state().units, s.first_unit, s.units, weights_->state_stride(), h_n);
  if (c_ && c_n) {
    copy_out(c_, rows_, weights_->recurrent.units, u.first_unit, u.units, weights_->hidden_stride(), c_n);
  }
}

template <class T>
void DirectionRun<T>::advance(View<const T> x, View<T> y, std::ptrdiff_t steps, bool fused, Hand<T>& hand) {
  const PackedDirection<T>& w = *weights_;
  if (!fused) project(x, steps, hand.gates);
  StepArgs<T> args{};
  args.panels = w.recurrent_panels;
  args.recurrent_bias = w.recurrent_bias;
  args.first_block = hidden_range_.first;
  args.last_block = hidden_range_.last;
  args.depth = w.recurrent.depth;
  args.rows = rows_;
  args.projected_row = gates_size(*net_, 1, 1);
  args.input_panels = w.input_panels;
  args.bias = w.bias;
  args.input_depth = w.input.depth;
  args.x_row = x.row;
  args.h_row = w.state_stride();
  args.h_next_row = w.hidden_stride();
  args.c = c_;
  args.c_row = c_ ? w.hidden_stride() : 0;
  args.y_row = y.row;
  args.units = w.recurrent.units;
  for (std::ptrdiff_t t = 0; t < steps; ++t) {
    args.projected = fused ? nullptr : hand.gates + t * rows_ * args.projected_row;
    args.x = x.at(t, 0);
    args.y = y.at(t, 0);
    step(args, hand.meeting);
  }
  count(steps, fused, hand.counts);
}

template <class T>
void DirectionRun<T>::count(std::ptrdiff_t steps, bool fused, Counts& counts) const {
  const auto part = [](const PanelShape& shape, const Range& range) {
    return (range.last - range.first) * shape.lanes * shape.gates * shape.depth;
  };
  Counts done;
  (fused ? done.fused_steps : done.projected_steps) = steps;
  done.most_steps = steps;
  done.most_rows = rows_;
  done.tasks = 1;
  done.weights_read = part(weights_->input, hidden_range_) * (fused ? steps : 1) +
                      part(weights_->recurrent, hidden_range_) * steps +
                      (hidden_ ? part(weights_->projection, state_range_) * steps : 0);
  counts.add(done);
}

// All (t, row) of a chunk at once where one stride reaches them, otherwise along the longer of the two.
template <class T>
void DirectionRun<T>::project(View<const T> x, std::ptrdiff_t steps, T* gates) const {
  const std::ptrdiff_t gate_row = gates_size(*net_, 1, 1);
  ProjectArgs<T> args{};
  args.panels = weights_->input_panels;
  args.bias = weights_->bias;
  args.first_block = hidden_range_.first;
  args.last_block = hidden_range_.last;
  args.depth = weights_->input.depth;
  const auto rows_from = [&](const T* from, std::ptrdiff_t from_row, std::ptrdiff_t rows, T* to,
                             std::ptrdiff_t to_row) {
    args.x = from;
    args.x_row = from_row;
    args.rows = rows;
    args.out = to;
    args.out_row = to_row;
    net_->cell.project(args);
  };
  if (rows_ == 1) {
    rows_from(x.data, x.step, steps, gates, gate_row);
  } else if (x.step == rows_ * x.row) {
    rows_from(x.data, x.row, steps * rows_, gates, gate_row);
  } else if (rows_ >= steps) {
    for (std::ptrdiff_t t = 0; t < steps; ++t) {
      rows_from(x.at(t, 0), x.row, rows_, gates + t * rows_ * gate_row, gate_row);
    }
  } else {
    for (std::ptrdiff_t r = 0; r < rows_; ++r) {
      rows_from(x.at(0, r), x.step, steps, gates + r * gate_row, rows_ * gate_row);
    }
  }
}

// args has what is the same in all steps, and this one's x, projected gates and y.
template <class T>
void DirectionRun<T>::step(StepArgs<T>& args, Meeting& meeting) {
  T* const y = args.y;
  args.h = h_;
  args.h_next = hidden_ ? hidden_ : h_next_;
  args.y = hidden_ ? nullptr : y;
  args.backwards = backwards_;
  net_->cell.step(args);
  meeting.meet();
  if (hidden_) project_hidden(y, args.y_row, meeting);
  std::swap(h_, h_next_);
  backwards_ = !backwards_;
}

template <class T>
void DirectionRun<T>::project_hidden(T* y, std::ptrdiff_t y_row, Meeting& meeting) const {
  const PackedDirection<T>& w = *weights_;
  const Range& own = state_range_;
  ProjectArgs<T> args{};
  args.panels = w.projection_panels;
  args.bias = w.projection_bias;
  args.first_block = own.first;
  args.last_block = own.last;
  args.depth = w.projection.depth;
  args.rows = rows_;
  args.x = hidden_;
  args.x_row = w.hidden_stride();
  args.out = h_next_;
  args.out_row = w.state_stride();
  net_->kernels.project_hidden(args);
  for (std::ptrdiff_t r = 0; r < rows_; ++r) {
    std::copy_n(h_next_ + r * w.state_stride() + own.first_unit, own.units, y + r * y_row + own.first_unit);
  }
  meeting.meet();
}

template class DirectionRun<float>;
template class DirectionRun<double>;

}  // namespace gatecell
