// A call is a grid of layers x directions x time chunks over groups of rows.
//
// Rows apart: each thread takes its rows through the whole network and meets nobody. Directions apart: two threads take
// a direction each and meet at the end of every layer. Hidden units apart: threads take every step of a direction
// together, each with its own units, whose weights then lie in its own cache, and meet after it. Layers apart: threads
// take the layers' chunks in turn, and meet where one needs what another has made.
//
// One direction goes through all layers chunk by chunk, so its scratch is bounded by the chunk; two directions need a
// layer's whole output before the next layer begins.
#include "schedule/forward.h"

#include <algorithm>
#include <new>

#include "runtime/scratch.h"
#include "schedule/direction_run.h"
#include "schedule/plan.h"
#include "schedule/team.h"

namespace gatecell {
namespace {

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
};

template <class T>
class Forward {
 public:
  Forward(const PackedNetwork<T>& net, const Call<T>& call, const Plan& plan)
      : net_(net), spec_(net.spec), call_(call), plan_(plan) {}

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
            part.gates = plan_.fused ? nullptr : carver.take<T>(DirectionRun<T>::gates_size(net_, chunk(), group()));
            part.counts = carver.take<Counts>(1);
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
    for (std::ptrdiff_t row = first; row < last; row += group()) {
      const std::ptrdiff_t rows = std::min(group(), last - row);
      if (spec_.bidirectional) {
        layer_by_layer(part, row, rows, directions, hand);
      } else {
        chunk_by_chunk(part, row, rows, hand);
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
  std::ptrdiff_t chunk() const { return plan_.chunk; }
  std::ptrdiff_t group() const { return plan_.group_rows; }
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
        const DirectionRun<T> run(net_, net_.direction(layer, first_direction + d), group(), carver);
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

  // Outputs of layers but the last. A layer may be two chunks ahead of the one above where layers are apart; otherwise
  // two buffers serve all layers in turn.
  std::int64_t buffers() const {
    const std::int64_t boundaries = spec_.num_layers - 1;
    return plan_.layer_parts > 1 ? 2 * boundaries : std::min<std::int64_t>(boundaries, 2);
  }
  std::ptrdiff_t between_size() const {
    return (spec_.bidirectional ? call_.steps : chunk()) * group() * spec_.output_size();
  }
  View<T> between(const Part<T>& part, std::int64_t buffer, std::ptrdiff_t rows) const {
    return {part.between + buffer * between_size(), rows * spec_.output_size(), spec_.output_size()};
  }
  View<const T> x_of(std::ptrdiff_t row) const {
    return View<const T>{call_.x, call_.x_step, call_.x_row}.from(0, row);
  }
  View<T> y_of(std::ptrdiff_t row) const { return View<T>{call_.y, call_.y_step, call_.y_row}.from(0, row); }

  // Where the state of (layer, direction, row) lies in (layers*directions, B, size).
  std::ptrdiff_t state_offset(std::int64_t layer, int d, std::ptrdiff_t row, std::ptrdiff_t size) const {
    return ((layer * spec_.directions() + d) * call_.rows + row) * size;
  }
  void begin(DirectionRun<T>& run, std::int64_t layer, int d, std::ptrdiff_t row, std::ptrdiff_t rows,
             Hand<T>& hand) const {
    run.begin(rows, call_.h_0 ? call_.h_0 + state_offset(layer, d, row, spec_.state_size()) : nullptr,
              call_.c_0 ? call_.c_0 + state_offset(layer, d, row, spec_.hidden_size) : nullptr);
    hand.meeting.meet();
  }
  void end(const DirectionRun<T>& run, std::int64_t layer, int d, std::ptrdiff_t row) const {
    run.end(call_.h_n + state_offset(layer, d, row, spec_.state_size()),
            call_.c_n ? call_.c_n + state_offset(layer, d, row, spec_.hidden_size) : nullptr);
  }

  // Tasks (layer, chunk): each chunk through all layers, or, where layers are apart, by diagonals, on which layer +
  // chunk is the same. Then a task needs only tasks of the diagonal before, which are about as many tasks away as
  // there are layers, so threads that take tasks in turn hardly wait.
  void chunk_by_chunk(const Part<T>& part, std::ptrdiff_t row, std::ptrdiff_t rows, Hand<T>& hand) const {
    const std::int64_t layers = spec_.num_layers, chunks = (call_.steps - 1) / chunk() + 1;
    const std::int64_t slope = plan_.layer_parts > 1 ? 1 : 0;
    int turn = 0;
    for (std::int64_t line = 0; line < chunks + slope * (layers - 1); ++line) {
      for (std::int64_t layer = 0; layer < layers; ++layer) {
        const std::int64_t index = line - slope * layer;
        if (index < 0 || index >= chunks) continue;
        if (turn == part.place.turn) task(part, layer, index, row, rows, hand);
        turn = turn + 1 == plan_.layer_parts ? 0 : turn + 1;
      }
    }
  }

  // One chunk of one layer. It needs the layer's chunk before and the same chunk of the layer below, and writes where
  // the layer above has read the chunk before the last.
  void task(const Part<T>& part, std::int64_t layer, std::int64_t index, std::ptrdiff_t row, std::ptrdiff_t rows,
            Hand<T>& hand) const {
    const std::int64_t top = spec_.num_layers - 1;
    if (part.layers) {
      wait_for(part, layer, index);
      if (layer > 0) wait_for(part, layer - 1, index + 1);
      if (layer < top) wait_for(part, layer + 1, index - 1);
    }
    const std::ptrdiff_t t = index * chunk(), steps = std::min(chunk(), call_.steps - t);
    const auto buffer = [&](std::int64_t below) { return plan_.layer_parts > 1 ? 2 * below + index % 2 : below % 2; };
    View<const T> in = x_of(row).from(t, 0);
    if (layer > 0) {
      const View<T> below = between(part, buffer(layer - 1), rows);
      in = {below.data, below.step, below.row};
    }
    const View<T> out = layer == top ? y_of(row).from(t, 0) : between(part, buffer(layer), rows);
    DirectionRun<T>& run = part.runs[layer];
    if (t == 0) begin(run, layer, 0, row, rows, hand);
    run.advance(in, out, steps, plan_.fused, hand);
    if (t + steps == call_.steps) end(run, layer, 0, row);
    if (part.layers) part.layers[layer].raise(static_cast<std::uint32_t>(index) + 1);
  }

  void wait_for(const Part<T>& part, std::int64_t layer, std::int64_t chunks) const {
    if (chunks > 0) part.layers[layer].wait_for(static_cast<std::uint32_t>(chunks), kMeetingSpin);
  }

  void layer_by_layer(const Part<T>& part, std::ptrdiff_t row, std::ptrdiff_t rows, Meeting& directions,
                      Hand<T>& hand) const {
    View<const T> in = x_of(row);
    for (std::int64_t layer = 0; layer < spec_.num_layers; ++layer) {
      const View<T> out = layer + 1 == spec_.num_layers ? y_of(row) : between(part, layer % 2, rows);
      for (int i = 0; i < directions_each(); ++i) {
        const int d = part.place.direction + i;
        const View<T> half = {out.data + d * spec_.state_size(), out.step, out.row};
        DirectionRun<T>& run = part.runs[layer * directions_each() + i];
        begin(run, layer, d, row, rows, hand);
        through_time(run, d ? in.reversed(call_.steps) : in, d ? half.reversed(call_.steps) : half, hand);
        end(run, layer, d, row);
      }
      directions.meet();  // both directions of a layer are done, and nobody reads the layer before any more
      in = {out.data, out.step, out.row};
    }
  }

  void through_time(DirectionRun<T>& run, View<const T> in, View<T> out, Hand<T>& hand) const {
    for (std::ptrdiff_t t = 0; t < call_.steps; t += chunk()) {
      run.advance(in.from(t, 0), out.from(t, 0), std::min(chunk(), call_.steps - t), plan_.fused, hand);
    }
  }

  const PackedNetwork<T>& net_;
  const Spec& spec_;
  const Call<T>& call_;
  const Plan& plan_;
  Part<T>* parts_ = nullptr;
};

template <class T>
void run(const PackedNetwork<T>& net, const Call<T>& call, const Plan& plan, Claim& claim, Counts* counts) {
  Forward<T> forward(net, call, plan);
  const Scratch scratch([&](Carver& carver) { forward.lay_out(carver); });
  claim.run(plan.threads(), [](void* f, int part) { static_cast<Forward<T>*>(f)->run_part(part); }, &forward);
  if (counts) forward.add_counts(*counts);
}

// The team sleeps, and takes 10 to 90 us to wake: until then the calling thread takes the first steps, a few at a time,
// with the state in h_n and c_n. Returns what is left to do. Nobody can tell: the bits are the same.
template <class T>
Call<T> start_alone(const PackedNetwork<T>& net, const Call<T>& call, Claim& claim, Counts* counts) {
  constexpr double kPiece = 10e-6, kLongStep = 30e-6;
  const Plan alone = make_plan(net, call.steps, call.rows, 1);
  const double step = alone.seconds / static_cast<double>(call.steps);
  Call<T> rest = call;
  if (step > kLongStep) return rest;
  Call<T> piece = call;
  piece.steps = std::max<std::int64_t>(1, static_cast<std::int64_t>(kPiece / step));
  const Plan plan = make_plan(net, piece.steps, call.rows, 1);
  claim.wake();
  while (rest.steps > 0 && !claim.has_woken()) {
    piece.steps = std::min(piece.steps, rest.steps);
    run(net, piece, plan, claim, nullptr);
    rest.steps -= piece.steps;
    rest.x = piece.x += piece.steps * call.x_step;
    rest.y = piece.y += piece.steps * call.y_step;
    rest.h_0 = piece.h_0 = call.h_n;
    rest.c_0 = piece.c_0 = call.c_n;
  }
  if (counts) counts->joined_at = call.steps - rest.steps;
  return rest;
}

// No steps or no rows: the state stays as it was given.
template <class T>
void keep_state(const Spec& spec, const Call<T>& call) {
  const std::ptrdiff_t rows = spec.num_layers * spec.directions() * call.rows;
  const auto copy = [](const T* from, std::ptrdiff_t n, T* to) {
    if (!to) return;
    if (from) {
      std::copy_n(from, n, to);
    } else {
      std::fill_n(to, n, T(0));
    }
  };
  copy(call.h_0, rows * spec.state_size(), call.h_n);
  copy(call.c_0, rows * spec.hidden_size, call.c_n);
}

}  // namespace

template <class T>
void forward(const PackedNetwork<T>& net, const Call<T>& call, const Plan& wanted, Counts* counts) {
  if (call.steps == 0 || call.rows == 0) return keep_state(net.spec, call);
  Claim claim(wanted.threads() - 1);
  const bool busy = claim.size() + 1 < wanted.threads();
  const Plan plan = busy ? make_plan(net, call.steps, call.rows, claim.size() + 1) : wanted;
  if (plan.threads() == 1) return run(net, call, plan, claim, counts);

  const bool keeps_state = net.spec.cell != Cell::lstm || call.c_n;
  const bool one_way = !net.spec.bidirectional;  // two need the last step before the first
  const Call<T> rest = one_way && keeps_state && !claim.is_awake() ? start_alone(net, call, claim, counts) : call;
  if (rest.steps == 0) return;
  run(net, rest, plan, claim, counts);
  if (plan.hidden_parts > 1 || plan.layer_parts > 1) refresh_flag_round_trip(claim);  // for the next call's plan
}

template void forward<float>(const PackedNetwork<float>&, const Call<float>&, const Plan&, Counts*);
template void forward<double>(const PackedNetwork<double>&, const Call<double>&, const Plan&, Counts*);

}  // namespace gatecell
