#include "schedule/direction_run.h"

#include <algorithm>
#include <utility>

namespace gatecell {
namespace {

// Units first ... first+count-1 of n, contiguous in `from` or zeros, to a row of `stride`; what follows the last unit
// is padding, and zero.
template <class T>
void copy_in(const T* from, std::ptrdiff_t n, std::ptrdiff_t first, std::ptrdiff_t count, T* to,
             std::ptrdiff_t stride) {
  const std::ptrdiff_t end = first + count;
  if (from) std::copy_n(from + first, count, to + first);
  std::fill(to + (from ? end : first), to + (end == n ? stride : end), T(0));
}

}  // namespace

template <class T>
DirectionRun<T>::DirectionRun(const PackedNetwork<T>& net, std::int64_t layer, int direction, std::ptrdiff_t group_rows,
                              Carver& carver)
    : net_(&net),
      weights_(&net.direction(layer, direction)),
      reverse_(direction == 1),
      hidden_range_(range(weights_->recurrent, {})),
      state_range_(range(weights_->state(), {})),
      h_(carver.take<T>(group_rows * weights_->state_stride())),
      h_next_(carver.take<T>(group_rows * weights_->state_stride())),
      c_(net.spec.cell == Cell::lstm ? carver.take<T>(group_rows * weights_->hidden_stride()) : nullptr),
      c_next_(weights_->peephole.units ? carver.take<T>(group_rows * weights_->hidden_stride()) : c_),
      sums_(net.spec.textbook() ? carver.take<T>(gates_size(net, 1, group_rows)) : nullptr),
      reset_h_(weights_->candidate.units ? carver.take<T>(group_rows * weights_->hidden_stride()) : nullptr),
      hidden_(weights_->projection.units ? carver.take<T>(group_rows * weights_->hidden_stride()) : nullptr) {}

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
void DirectionRun<T>::begin(const StateArrays<T>& state, std::ptrdiff_t rows) {
  state_ = state;
  rows_ = 0;
  set_rows(rows);
}

template <class T>
void DirectionRun<T>::set_rows(std::ptrdiff_t rows) {
  rows > rows_ ? load(state_, rows_, rows) : store(state_, rows, rows_);
  rows_ = rows;
}

template <class T>
void DirectionRun<T>::load(const StateArrays<T>& from, std::ptrdiff_t first, std::ptrdiff_t last) {
  const Range &s = state_range_, &u = hidden_range_;
  const std::ptrdiff_t state_size = weights_->state().units, hidden_size = weights_->recurrent.units;
  for (std::ptrdiff_t r = first; r < last; ++r) {
    const std::ptrdiff_t i = from.index ? from.index[r] : r;
    copy_in(from.h_0 ? from.h_0 + i * state_size : nullptr, state_size, s.first_unit, s.units,
            h_ + r * weights_->state_stride(), weights_->state_stride());
    if (!c_) continue;
    copy_in(from.c_0 ? from.c_0 + i * hidden_size : nullptr, hidden_size, u.first_unit, u.units,
            c_ + r * weights_->hidden_stride(), weights_->hidden_stride());
  }
}

template <class T>
void DirectionRun<T>::store(const StateArrays<T>& to, std::ptrdiff_t first, std::ptrdiff_t last) const {
  const Range &s = state_range_, &u = hidden_range_;
  const std::ptrdiff_t state_size = weights_->state().units, hidden_size = weights_->recurrent.units;
  for (std::ptrdiff_t r = first; r < last; ++r) {
    const std::ptrdiff_t i = to.index ? to.index[r] : r;
    const std::ptrdiff_t h = r * weights_->state_stride() + s.first_unit;
    const std::ptrdiff_t c = r * weights_->hidden_stride() + u.first_unit;
    if (to.h_n) std::copy_n(h_ + h, s.units, to.h_n + i * state_size + s.first_unit);
    if (c_ && to.c_n) std::copy_n(c_ + c, u.units, to.c_n + i * hidden_size + u.first_unit);
  }
}

template <class T>
void DirectionRun<T>::advance(View<const T> x, View<T> y, std::ptrdiff_t steps, bool fused, Hand<T>& hand) {
  const PackedDirection<T>& w = *weights_;
  if (!fused) project(x, steps, hand.gates);
  StepArgs<T> args{};
  args.relu = net_->spec.cell == Cell::rnn_relu;
  args.extras = &w.extras;
  args.sums = sums_;
  args.sums_row = gates_size(*net_, 1, 1);
  args.reset_h = reset_h_;
  args.panels = w.recurrent_panels;
  args.recurrent_bias = w.recurrent_bias;
  args.first_block = hidden_range_.first;
  args.last_block = hidden_range_.last;
  args.depth = w.recurrent.depth;
  args.projected_row = gates_size(*net_, 1, 1);
  args.input_panels = w.input_panels;
  args.bias = w.bias;
  args.input_depth = w.input.depth;
  args.x_row = x.row;
  args.h_row = w.state_stride();
  args.h_next_row = w.hidden_stride();
  args.c_row = c_ ? w.hidden_stride() : 0;
  args.y_row = y.row;
  args.units = w.recurrent.units;
  std::ptrdiff_t row_steps = 0, most_rows = 0;
  for (std::ptrdiff_t i = 0; i < steps; ++i) {
    const std::ptrdiff_t t = reverse_ ? steps - 1 - i : i;
    if (x.starts) follow(x.before(t + 1) - x.before(t), hand.meeting);
    args.rows = rows_;
    row_steps += rows_;
    most_rows = std::max(most_rows, rows_);
    const std::ptrdiff_t before = x.starts ? x.before(t) : t * rows_;
    args.projected = fused ? nullptr : hand.gates + before * args.projected_row;
    const View<const T> now = x.from(t);
    args.x = now.data;
    args.x_index = now.index;
    step(args, y.from(t), hand.meeting);
  }
  count(steps, row_steps, most_rows, fused, hand.counts);
}

// Rows that join are read by the other parts too.
template <class T>
void DirectionRun<T>::follow(std::ptrdiff_t rows, Meeting& meeting) {
  const bool join = rows > rows_;
  if (rows != rows_) set_rows(rows);
  if (join) meeting.meet();
}

template <class T>
void DirectionRun<T>::count(std::ptrdiff_t steps, std::ptrdiff_t row_steps, std::ptrdiff_t most_rows, bool fused,
                            Counts& counts) const {
  const auto part = [](const PanelShape& shape, const Range& range) {
    return (range.last - range.first) * shape.lanes * shape.gates * shape.depth;
  };
  Counts done;
  (fused ? done.fused_steps : done.projected_steps) = steps;
  done.most_steps = steps;
  done.most_rows = most_rows;
  done.row_steps = row_steps;
  done.tasks = 1;
  done.weights_read =
      part(weights_->input, hidden_range_) * (fused ? steps : 1) +
      weights_->step_weights() / weights_->recurrent.blocks * (hidden_range_.last - hidden_range_.first) * steps +
      (hidden_ ? part(weights_->projection, state_range_) * steps : 0);
  counts.add(done);
}

// All (t, row) of a chunk at once where one stride reaches them, otherwise along the longer of the two.
template <class T>
void DirectionRun<T>::project(View<const T> x, std::ptrdiff_t steps, T* gates) const {
  const std::ptrdiff_t gate_row = gates_size(*net_, 1, 1);
  ProjectArgs<T> args{};
  args.panels = weights_->input_panels;
  args.start = weights_->bias;
  args.block_step = weights_->input.gates * weights_->input.lanes;
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
  args.x_index = x.index;
  if (x.starts) {
    rows_from(x.data, x.row, x.before(steps), gates, gate_row);
  } else if (rows_ == 1) {
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

// args has what is the same in all steps, and this one's x and projected gates; y begins with this step.
template <class T>
void DirectionRun<T>::step(StepArgs<T>& args, View<T> y, Meeting& meeting) {
  args.h = h_;
  args.h_next = hidden_ ? hidden_ : h_next_;
  args.y = hidden_ ? nullptr : y.data;
  args.y_index = y.index;
  args.backwards = backwards_;
  args.c = c_;
  args.c_next = c_next_;
  if (net_->cell.reset) {
    net_->cell.reset(args);
    meeting.meet();
  }
  net_->cell.step(args);
  meeting.meet();
  if (hidden_) project_hidden(y, meeting);
  std::swap(h_, h_next_);
  std::swap(c_, c_next_);
  backwards_ = !backwards_;
}

template <class T>
void DirectionRun<T>::project_hidden(View<T> y, Meeting& meeting) const {
  const PackedDirection<T>& w = *weights_;
  const Range& own = state_range_;
  ProjectArgs<T> args{};
  args.panels = w.projection_panels;
  args.start = w.projection_bias;
  args.block_step = w.projection.lanes;
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
    std::copy_n(h_next_ + r * w.state_stride() + own.first_unit, own.units, y.at(0, r) + own.first_unit);
  }
  meeting.meet();
}

template class DirectionRun<float>;
template class DirectionRun<double>;

}  // namespace gatecell
