// A call is a grid of layers x directions x time chunks over groups of rows.
//
// Rows apart: each thread takes its rows through the whole network and meets nobody. Directions apart: two threads take
// a direction each and meet at the end of every layer. Hidden units apart: threads take every step of a direction
// together, each with its own units, whose weights then lie in its own cache, and meet after it. Layers apart: threads
// take the layers' chunks in turn, and meet where one needs what another has made.
//
// One direction goes through all layers chunk by chunk, so its scratch is bounded by the chunk; two directions need a
// layer's whole output before the next layer begins.
//
// Between the layers rows of different lengths lie packed: those going at step 0, those at step 1, ... A chunk takes as
// many steps as fill it, more when fewer rows are left. In x and y an index tells the kernels where the rows are.
#pragma once

#include <algorithm>
#include <new>

#include "schedule/direction_run.h"
#include "schedule/plan.h"
#include "schedule/ragged.h"
#include "schedule/timeline.h"

namespace gatecell {

// Which rows, directions and hidden units a thread has, and its turn where layers are apart.
struct Place {
  int rows, direction, hidden, turn;
};

// What one thread works on.
template <class T>
struct Part {
  Place place;
  DirectionRun<T>* runs;  // [layer][its directions]
  T* gates;
  T* between;  // layers' outputs on their way to the next; shared, as are the flags, by the parts of the same rows
  Flag* directions;  // [direction part * hidden part] meet at the end of a layer
  Flag* hidden;      // [hidden part] meet after each step
  Flag* layers;      // [layer] number of chunks it has done
  Counts* counts;
  // With lengths:
  std::ptrdiff_t *starts, *cuts;      // of the timeline
  std::ptrdiff_t *x_index, *y_index;  // of a chunk's steps of rows
};

// A group of rows in the hands of a thread.
struct Group {
  std::ptrdiff_t first;  // row, or place
  Timeline time;
};

template <class T>
View<const T> constant(View<T> view) {
  return {view.data, view.step, view.row, view.starts, view.index};
}

template <class T>
class Grid {
 public:
  // ragged: for a call with lengths, else null.
  Grid(const PackedNetwork<T>& net, const Call<T>& call, const Plan& plan, const Ragged* ragged)
      : net_(net), spec_(net.spec), call_(call), plan_(plan), ragged_(ragged) {}

  // The pieces are null where the carver is too small.
  void lay_out(Carver& carver) {
    parts_ = carver.take<Part<T>>(plan_.threads());
    int index = 0;
    for (int rows = 0; rows < plan_.row_parts; ++rows) {
      Part<T> part{};
      if (spec_.num_layers > 1) part.between = carver.take<T>(buffers() * between_size());
      if (plan_.layer_parts > 1) part.layers = take_flags(carver, spec_.num_layers);
      part.directions = take_flags(carver, plan_.direction_parts * plan_.hidden_parts);
      for (int d = 0; d < plan_.direction_parts; ++d) {
        part.hidden = take_flags(carver, plan_.hidden_parts);
        DirectionRun<T>* const runs = take_runs(carver, d);
        for (int h = 0; h < plan_.hidden_parts; ++h) {
          part.runs = plan_.hidden_parts > 1 ? share_runs(runs, h, carver) : runs;
          for (int turn = 0; turn < plan_.layer_parts; ++turn) {
            part.place = {rows, d, h, turn};
            const bool fused = plan_.fused && !ragged_;
            part.gates = fused ? nullptr : carver.take<T>(DirectionRun<T>::gates_size(net_, chunk(), group_rows()));
            part.counts = carver.take<Counts>(1);
            if (ragged_) take_ragged(part, carver);
            if (parts_) parts_[index++] = part;
          }
        }
      }
    }
  }

  void run_part(int index) const {
    const Part<T>& part = parts_[index];
    const Place& place = part.place;
    Hand<T> hand = {part.gates, Meeting(part.hidden, place.hidden, plan_.hidden_parts), {}};
    Meeting directions(part.directions, place.direction * plan_.hidden_parts + place.hidden,
                       plan_.direction_parts * plan_.hidden_parts);
    const std::ptrdiff_t first = first_row(call_.rows, plan_.row_parts, place.rows);
    const std::ptrdiff_t last = first_row(call_.rows, plan_.row_parts, place.rows + 1);
    for (std::ptrdiff_t row = first; row < last; row += group_rows()) {
      const Group group = group_of(part, row, std::min(group_rows(), last - row));
      if (place.direction + place.hidden + place.turn == 0) pad(group);
      if (spec_.bidirectional) {
        layer_by_layer(part, group, directions, hand);
      } else {
        chunk_by_chunk(part, group, hand);
      }
    }
    hand.counts.threads = 1;
    hand.counts.meetings = hand.meeting.times();
    *part.counts = hand.counts;
  }

  void add_counts(Counts& counts) const {
    for (int i = 0; i < plan_.threads(); ++i) counts.add(*parts_[i].counts);
  }

 private:
  std::ptrdiff_t steps() const { return ragged_ ? ragged_->steps() : call_.steps; }
  std::ptrdiff_t chunk() const { return plan_.chunk; }
  std::ptrdiff_t group_rows() const { return plan_.group_rows; }
  int directions_each() const { return plan_.direction_parts > 1 ? 1 : spec_.directions(); }

  // For so many threads or layers to meet at; one alone needs none.
  Flag* take_flags(Carver& carver, std::int64_t count) const {
    if (count == 1) return nullptr;
    Flag* flags = carver.take<Flag>(count);
    for (std::int64_t i = 0; flags && i < count; ++i) new (&flags[i]) Flag();
    return flags;
  }

  // State of all layers and a part's directions, for all hidden units.
  DirectionRun<T>* take_runs(Carver& carver, int first_direction) const {
    DirectionRun<T>* runs = carver.take<DirectionRun<T>>(spec_.num_layers * directions_each());
    DirectionRun<T>* next = runs;
    for (std::int64_t layer = 0; layer < spec_.num_layers; ++layer) {
      for (int d = 0; d < directions_each(); ++d) {
        const DirectionRun<T> run(net_, layer, first_direction + d, group_rows(), carver);
        if (runs) new (next++) DirectionRun<T>(run);
      }
    }
    return runs;
  }

  // The same state, for a part of the hidden units.
  DirectionRun<T>* share_runs(const DirectionRun<T>* runs, int hidden, Carver& carver) const {
    const std::int64_t count = spec_.num_layers * directions_each();
    DirectionRun<T>* shared = carver.take<DirectionRun<T>>(count);
    for (std::int64_t i = 0; shared && i < count; ++i) {
      new (&shared[i]) DirectionRun<T>(runs[i].share({hidden, plan_.hidden_parts}));
    }
    return shared;
  }

  void take_ragged(Part<T>& part, Carver& carver) const {
    part.x_index = carver.take<std::ptrdiff_t>(chunk() * group_rows());
    part.y_index = carver.take<std::ptrdiff_t>(chunk() * group_rows());
    part.starts = carver.take<std::ptrdiff_t>(steps() + 1);
    part.cuts = carver.take<std::ptrdiff_t>(steps() + 1);
  }
  Group group_of(const Part<T>& part, std::ptrdiff_t first, std::ptrdiff_t rows) const {
    if (!ragged_) return {first, Timeline(rows, call_.steps, chunk())};
    return {first, Timeline(*ragged_, first, rows, chunk(), part.starts, part.cuts)};
  }

  // Outputs of layers but the last. A layer may be two chunks ahead of the one above where layers are apart; otherwise
  // two buffers serve all layers in turn.
  std::int64_t buffers() const {
    const std::int64_t boundaries = spec_.num_layers - 1;
    return plan_.layer_parts > 1 ? 2 * boundaries : std::min<std::int64_t>(boundaries, 2);
  }
  std::ptrdiff_t between_size() const {
    return (spec_.bidirectional ? steps() : chunk()) * group_rows() * spec_.output_size();
  }
  // From step t on.
  View<T> between(const Part<T>& part, std::int64_t buffer, const Group& group, std::ptrdiff_t t) const {
    const std::ptrdiff_t *starts = group.time.starts(), step = group.time.rows() * spec_.output_size();
    return {part.between + buffer * between_size(), step, static_cast<std::ptrdiff_t>(spec_.output_size()),
            starts ? starts + t : nullptr};
  }

  // `steps` steps of the group's rows of x or y, from step t on; with lengths their places go into `index`.
  template <class U>
  View<U> outside(U* data, std::ptrdiff_t step, std::ptrdiff_t row, const Group& group, std::ptrdiff_t t,
                  std::ptrdiff_t steps, std::ptrdiff_t* index) const {
    if (!ragged_) return View<U>{data + group.first * row, step, row}.from(t);
    std::ptrdiff_t* place = index;
    for (std::ptrdiff_t i = 0; i < steps; ++i) {
      for (std::ptrdiff_t r = 0; r < group.time.live(t + i); ++r) {
        *place++ = ragged_->offset(step, row, t + i, group.first + r);
      }
    }
    return {data, step, row, group.time.starts() + t, index};
  }
  View<const T> input(const Part<T>& part, const Group& group, std::ptrdiff_t t, std::ptrdiff_t steps) const {
    return outside(call_.x, call_.x_step, call_.x_row, group, t, steps, part.x_index);
  }
  View<T> output(const Part<T>& part, const Group& group, int d, std::ptrdiff_t t, std::ptrdiff_t steps) const {
    return outside(call_.y + d * spec_.state_size(), call_.y_step, call_.y_row, group, t, steps, part.y_index);
  }

  void pad(const Group& group) const {
    if (!ragged_ || call_.layout != Layout::padded) return;
    for (std::ptrdiff_t r = 0; r < group.time.rows(); ++r) {
      fill_padding(call_, spec_.output_size(), ragged_->row(group.first + r));
    }
  }

  // The state of all rows of (layer, direction), in arrays (layers*directions, B, size), from the group's first row on.
  StateArrays<T> state_of(std::int64_t layer, int d, const Group& group) const {
    const std::ptrdiff_t chain = layer * spec_.directions() + d;
    const std::ptrdiff_t states = call_.state_rows ? call_.states : call_.rows;
    const std::int64_t* const index = ragged_            ? ragged_->state_rows(group.first)
                                      : call_.state_rows ? call_.state_rows + group.first
                                                         : nullptr;
    const std::ptrdiff_t row = chain * states + (index ? 0 : group.first);
    const auto at = [&](auto* array, std::ptrdiff_t size) { return array ? array + row * size : nullptr; };
    return {at(call_.h_0, spec_.state_size()), at(call_.c_0, spec_.hidden_size), at(call_.h_n, spec_.state_size()),
            at(call_.c_n, spec_.hidden_size), index};
  }
  // Backwards in time rows of different lengths join on their way.
  void begin(DirectionRun<T>& run, std::int64_t layer, int d, const Group& group, Hand<T>& hand) const {
    run.begin(state_of(layer, d, group), ragged_ && d == 1 ? 0 : group.time.rows());
    hand.meeting.meet();
  }
  void end(DirectionRun<T>& run, int d, const Group& group) const {
    if (ragged_ && d == 1) run.set_rows(group.time.rows());  // those without steps too
    run.set_rows(0);
  }

  bool fused(const Group& group, std::ptrdiff_t t, std::ptrdiff_t steps) const {
    return ragged_ ? choose_fused(net_, steps, group.time.live(t), plan_.hidden_parts) : plan_.fused;
  }

  // Tasks (layer, chunk): each chunk through all layers, or, where layers are apart, by diagonals, on which layer +
  // chunk is the same. Then a task needs only tasks of the diagonal before, which are about as many tasks away as
  // there are layers, so threads that take tasks in turn hardly wait.
  void chunk_by_chunk(const Part<T>& part, const Group& group, Hand<T>& hand) const {
    const std::int64_t layers = spec_.num_layers, chunks = group.time.chunks();
    const std::int64_t slope = plan_.layer_parts > 1 ? 1 : 0;
    for (std::int64_t layer = 0; chunks == 0 && layer < layers; ++layer) {  // no steps: the state stays
      begin(part.runs[layer], layer, 0, group, hand);
      end(part.runs[layer], 0, group);
    }
    int turn = 0;
    for (std::int64_t line = 0; line < chunks + slope * (layers - 1); ++line) {
      for (std::int64_t layer = 0; layer < layers; ++layer) {
        const std::int64_t index = line - slope * layer;
        if (index < 0 || index >= chunks) continue;
        if (turn == part.place.turn) task(part, layer, index, group, hand);
        turn = turn + 1 == plan_.layer_parts ? 0 : turn + 1;
      }
    }
  }

  // One chunk of one layer. It needs the layer's chunk before and the same chunk of the layer below, and writes where
  // the layer above has read the chunk before the last.
  void task(const Part<T>& part, std::int64_t layer, std::int64_t index, const Group& group, Hand<T>& hand) const {
    const std::int64_t top = spec_.num_layers - 1;
    if (part.layers) {
      wait_for(part, layer, index);
      if (layer > 0) wait_for(part, layer - 1, index + 1);
      if (layer < top) wait_for(part, layer + 1, index - 1);
    }
    const std::ptrdiff_t t = group.time.cut(index), steps = group.time.cut(index + 1) - t;
    const auto buffer = [&](std::int64_t below) { return plan_.layer_parts > 1 ? 2 * below + index % 2 : below % 2; };
    const View<const T> in =
        layer == 0 ? input(part, group, t, steps) : constant(between(part, buffer(layer - 1), group, t));
    const View<T> out = layer == top ? output(part, group, 0, t, steps) : between(part, buffer(layer), group, t);
    DirectionRun<T>& run = part.runs[layer];
    if (index == 0) begin(run, layer, 0, group, hand);
    run.advance(in, out, steps, fused(group, t, steps), hand);
    if (index + 1 == group.time.chunks()) end(run, 0, group);
    if (part.layers) part.layers[layer].raise(static_cast<std::uint32_t>(index) + 1);
  }

  void wait_for(const Part<T>& part, std::int64_t layer, std::int64_t chunks) const {
    if (chunks > 0) part.layers[layer].wait_for(static_cast<std::uint32_t>(chunks), kMeetingSpin);
  }

  void layer_by_layer(const Part<T>& part, const Group& group, Meeting& directions, Hand<T>& hand) const {
    for (std::int64_t layer = 0; layer < spec_.num_layers; ++layer) {
      for (int i = 0; i < directions_each(); ++i) {
        const int d = part.place.direction + i;
        DirectionRun<T>& run = part.runs[layer * directions_each() + i];
        begin(run, layer, d, group, hand);
        through_time(part, run, layer, d, group, hand);
        end(run, d, group);
      }
      directions.meet();  // both directions of a layer are done, and nobody reads the layer before any more
    }
  }

  void through_time(const Part<T>& part, DirectionRun<T>& run, std::int64_t layer, int d, const Group& group,
                    Hand<T>& hand) const {
    const bool last = layer + 1 == spec_.num_layers;
    for (std::ptrdiff_t i = 0; i < group.time.chunks(); ++i) {
      const std::ptrdiff_t index = d ? group.time.chunks() - 1 - i : i;
      const std::ptrdiff_t t = group.time.cut(index), steps = group.time.cut(index + 1) - t;
      const View<const T> in =
          layer == 0 ? input(part, group, t, steps) : constant(between(part, (layer - 1) % 2, group, 0).from(t));
      const View<T> out = last ? output(part, group, d, t, steps)
                               : between(part, layer % 2, group, 0).from(t).features_from(d * spec_.state_size());
      run.advance(in, out, steps, fused(group, t, steps), hand);
    }
  }

  const PackedNetwork<T>& net_;
  const Spec& spec_;
  const Call<T>& call_;
  const Plan& plan_;
  const Ragged* ragged_;
  Part<T>* parts_ = nullptr;
};

}  // namespace gatecell
