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
      state_range_(range(weights.projection.units ? weights.projection : weights.recurrent, {})),
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
  run.state_range_ = range(weights_->projection.units ? weights_->projection : weights_->recurrent, part);
  return run;
}

// Parts begin at whole cache lines of h, so that no two threads write one.
template <class T>
typename DirectionRun<T>::Range DirectionRun<T>::range(const PanelShape& shape, HiddenPart part) {
  const std::ptrdiff_t blocks = shape.blocks(), lanes = shape.lanes;
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
  copy_in(h_0, rows, weights_->state_size(), s.first_unit, s.units, h_, weights_->state_stride());
  if (c_) copy_in(c_0, rows, weights_->recurrent.units, u.first_unit, u.units, c_, weights_->hidden_stride());
}

template <class T>
void DirectionRun<T>::end(T* h_n, T* c_n) const {
  const Range &s = state_range_, &u = hidden_range_;
  copy_out(h_, rows_, weights_->state_size(), s.first_unit, s.units, weights_->state_stride(), h_n);
  if (c_ && c_n) {
    copy_out(c_, rows_, weights_->recurrent.units, u.first_unit, u.units, weights_->hidden_stride(), c_n);
  }
}

template <class T>
void DirectionRun<T>::advance(View<const T> x, View<T> y, std::ptrdiff_t steps, std::ptrdiff_t chunk, T* gates,
                              Meeting& meeting) {
  const std::ptrdiff_t gate_step = gates_size(*net_, 1, rows_);
  for (std::ptrdiff_t t0 = 0; t0 < steps; t0 += chunk) {
    const std::ptrdiff_t n = std::min(chunk, steps - t0);
    project_chunk(x.from(t0, 0), n, gates);
    for (std::ptrdiff_t t = 0; t < n; ++t) step(gates + t * gate_step, y.at(t0 + t, 0), y.row, meeting);
  }
}

// All (t, row) of a chunk at once where one stride reaches them, otherwise along the longer of the two.
template <class T>
void DirectionRun<T>::project_chunk(View<const T> x, std::ptrdiff_t steps, T* gates) const {
  const std::ptrdiff_t gate_row = gates_size(*net_, 1, 1);
  ProjectArgs<T> args{};
  args.panels = weights_->input_panels;
  args.bias = weights_->bias;
  args.first_block = hidden_range_.first;
  args.blocks = hidden_range_.last;
  args.depth = weights_->input.depth;
  const auto project = [&](const T* from, std::ptrdiff_t from_row, std::ptrdiff_t rows, T* to, std::ptrdiff_t to_row) {
    args.x = from;
    args.x_row = from_row;
    args.rows = rows;
    args.out = to;
    args.out_row = to_row;
    net_->cell.project(args);
  };
  if (rows_ == 1) {
    project(x.data, x.step, steps, gates, gate_row);
  } else if (x.step == rows_ * x.row) {
    project(x.data, x.row, steps * rows_, gates, gate_row);
  } else if (rows_ >= steps) {
    for (std::ptrdiff_t t = 0; t < steps; ++t)
      project(x.at(t, 0), x.row, rows_, gates + t * rows_ * gate_row, gate_row);
  } else {
    for (std::ptrdiff_t r = 0; r < rows_; ++r) {
      project(x.at(0, r), x.step, steps, gates + r * gate_row, rows_ * gate_row);
    }
  }
}

template <class T>
void DirectionRun<T>::step(const T* gates, T* y, std::ptrdiff_t y_row, Meeting& meeting) {
  const PackedDirection<T>& w = *weights_;
  StepArgs<T> args{};
  args.panels = w.recurrent_panels;
  args.recurrent_bias = w.recurrent_bias;
  args.first_block = hidden_range_.first;
  args.blocks = hidden_range_.last;
  args.depth = w.recurrent.depth;
  args.rows = rows_;
  args.projected = gates;
  args.projected_row = gates_size(*net_, 1, 1);
  args.h = h_;
  args.h_row = w.state_stride();
  args.h_next = hidden_ ? hidden_ : h_next_;
  args.h_next_row = w.hidden_stride();
  args.c = c_;
  args.c_row = c_ ? w.hidden_stride() : 0;
  args.y = hidden_ ? nullptr : y;
  args.y_row = y_row;
  args.units = w.recurrent.units;
  args.backwards = backwards_;
  net_->cell.step(args);
  meeting.meet();
  if (hidden_) {
    const Range& own = state_range_;
    ProjectArgs<T> project{};
    project.panels = w.projection_panels;
    project.bias = w.projection_bias;
    project.first_block = own.first;
    project.blocks = own.last;
    project.depth = w.projection.depth;
    project.rows = rows_;
    project.x = hidden_;
    project.x_row = w.hidden_stride();
    project.out = h_next_;
    project.out_row = w.state_stride();
    net_->kernels.project_hidden(project);
    for (std::ptrdiff_t r = 0; r < rows_; ++r)
      std::copy_n(h_next_ + r * w.state_stride() + own.first_unit, own.units, y + r * y_row + own.first_unit);
    meeting.meet();
  }
  std::swap(h_, h_next_);
  backwards_ = !backwards_;
}

template class DirectionRun<float>;
template class DirectionRun<double>;

}  // namespace gatecell
