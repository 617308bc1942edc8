// A call is a grid of layers x directions x time chunks over groups of rows.
//
// Rows apart: each thread takes its rows through the whole network and meets nobody. Directions apart: two threads take
// a direction each and meet at the end of every layer. Hidden units apart: threads take every step of a direction
// together, each with its own units, whose weights then lie in its own cache, and meet after it. One direction goes
// through all layers chunk by chunk, so its scratch is bounded by the chunk; two directions need a layer's whole output
// before the next layer begins.
#include "schedule/forward.h"

#include <algorithm>
#include <new>

#include "runtime/fp_mode.h"
#include "schedule/direction_run.h"
#include "schedule/meeting.h"
#include "schedule/team.h"

namespace gatecell {
namespace {

// What one thread works on: all layers, the directions and hidden units it was given, its rows group by group.
template <class T>
struct Part {
  DirectionRun<T>* runs;  // [layer][its directions]
  T* gates;
  T* between[2];     // a layer's output on its way to the next one; shared by the parts of the same rows
  Flag* directions;  // [direction part * hidden part] meet at the end of a layer
  Flag* hidden;      // [hidden part] meet after each step
};

// Memory that outlives the call, so that the next one need not ask for it. What is too large to keep is given back.
class Scratch {
 public:
  explicit Scratch(std::size_t bytes) {
    if (bytes > kKept) {
      own_ = allocate_block(bytes);
      base_ = own_.get();
      return;
    }
    thread_local Kept kept;
    if (kept.size < bytes) {
      kept.block.reset();
      kept.size = 0;
      kept.block = allocate_block(bytes);
      kept.size = bytes;
    }
    base_ = kept.block.get();
  }
  std::byte* base() const { return base_; }

 private:
  struct Kept {
    Block block;
    std::size_t size = 0;
  };
  static constexpr std::size_t kKept = std::size_t{8} << 20;
  Block own_;
  std::byte* base_;
};

template <class T>
class Forward {
 public:
  Forward(const PackedNetwork<T>& net, const Call<T>& call, const Plan& plan)
      : net_(net), spec_(net.spec), call_(call), plan_(plan) {}

  // Over an empty carver this only measures.
  void lay_out(Carver& carver) {
    parts_ = carver.take<Part<T>>(plan_.threads());
    for (int rows = 0; rows < plan_.row_parts; ++rows) {
      Part<T> shared{};
      const std::ptrdiff_t steps = spec_.bidirectional ? call_.steps : plan_.chunk;
      const std::ptrdiff_t size = steps * plan_.group_rows * spec_.output_size();
      if (spec_.num_layers > 1) shared.between[0] = carver.take<T>(size);
      if (spec_.num_layers > 2) shared.between[1] = carver.take<T>(size);
      shared.directions = take_flags(carver, plan_.direction_parts * plan_.hidden_parts);
      for (int d = 0; d < plan_.direction_parts; ++d) {
        shared.hidden = take_flags(carver, plan_.hidden_parts);
        shared.runs = take_runs(carver, d);
        for (int h = 0; h < plan_.hidden_parts; ++h) lay_out_part(shared, {rows, d, h}, carver);
      }
    }
  }

  void run_part(int index) const {
    const Part<T>& part = parts_[index];
    const Place place = place_of(index);
    Meeting directions(part.directions, place.direction * plan_.hidden_parts + place.hidden,
                       plan_.direction_parts * plan_.hidden_parts);
    Meeting hidden(part.hidden, place.hidden, plan_.hidden_parts);
    const std::ptrdiff_t first = call_.rows * place.rows / plan_.row_parts;
    const std::ptrdiff_t last = call_.rows * (place.rows + 1) / plan_.row_parts;
    for (std::ptrdiff_t row = first; row < last; row += plan_.group_rows) {
      const std::ptrdiff_t rows = std::min(plan_.group_rows, last - row);
      begin(part, place, row, rows);
      hidden.meet();
      if (spec_.bidirectional) {
        layer_by_layer(part, place, row, rows, directions, hidden);
      } else {
        chunk_by_chunk(part, row, rows, hidden);
      }
      end(part, place, row);
    }
  }

 private:
  // Which rows, directions and hidden units a part has.
  struct Place {
    int rows, direction, hidden;
  };
  Place place_of(int index) const {
    const int of_direction = index / plan_.hidden_parts;
    return {of_direction / plan_.direction_parts, of_direction % plan_.direction_parts, index % plan_.hidden_parts};
  }
  int index_of(Place place) const {
    return (place.rows * plan_.direction_parts + place.direction) * plan_.hidden_parts + place.hidden;
  }
  int directions_each() const { return spec_.directions() / plan_.direction_parts; }

  Flag* take_flags(Carver& carver, int count) const {
    Flag* flags = carver.take<Flag>(count);
    for (int i = 0; parts_ && i < count; ++i) new (&flags[i]) Flag();
    return flags;
  }

  // State of all layers and a part's directions, for all hidden units.
  DirectionRun<T>* take_runs(Carver& carver, int direction) const {
    DirectionRun<T>* runs = carver.take<DirectionRun<T>>(spec_.num_layers * directions_each());
    for_runs(direction, [&](std::ptrdiff_t i, std::int64_t layer, int d) {
      const DirectionRun<T> run(net_, net_.direction(layer, d), plan_.group_rows, carver);
      if (parts_) new (&runs[i]) DirectionRun<T>(run);
    });
    return runs;
  }

  void lay_out_part(const Part<T>& shared, Place place, Carver& carver) {
    Part<T> part = shared;
    if (plan_.hidden_parts > 1) {
      const std::int64_t runs = spec_.num_layers * directions_each();
      part.runs = carver.take<DirectionRun<T>>(runs);
      for (std::int64_t i = 0; parts_ && i < runs; ++i) {
        new (&part.runs[i]) DirectionRun<T>(shared.runs[i].share({place.hidden, plan_.hidden_parts}));
      }
    }
    part.gates = carver.take<T>(DirectionRun<T>::gates_size(net_, plan_.chunk, plan_.group_rows));
    if (parts_) parts_[index_of(place)] = part;
  }

  // f(position in runs, layer, direction)
  template <class F>
  void for_runs(int first_direction, const F& f) const {
    std::ptrdiff_t i = 0;
    for (std::int64_t layer = 0; layer < spec_.num_layers; ++layer) {
      for (int d = 0; d < directions_each(); ++d) f(i++, layer, first_direction + d);
    }
  }

  // Where the state of (layer, direction, row) lies in (layers*directions, B, size).
  std::ptrdiff_t state_offset(std::int64_t layer, int d, std::ptrdiff_t row, std::ptrdiff_t size) const {
    return ((layer * spec_.directions() + d) * call_.rows + row) * size;
  }

  void begin(const Part<T>& part, Place place, std::ptrdiff_t row, std::ptrdiff_t rows) const {
    for_runs(place.direction, [&](std::ptrdiff_t i, std::int64_t layer, int d) {
      part.runs[i].begin(rows, call_.h_0 ? call_.h_0 + state_offset(layer, d, row, spec_.state_size()) : nullptr,
                         call_.c_0 ? call_.c_0 + state_offset(layer, d, row, spec_.hidden_size) : nullptr);
    });
  }

  void end(const Part<T>& part, Place place, std::ptrdiff_t row) const {
    for_runs(place.direction, [&](std::ptrdiff_t i, std::int64_t layer, int d) {
      part.runs[i].end(call_.h_n + state_offset(layer, d, row, spec_.state_size()),
                       call_.c_n ? call_.c_n + state_offset(layer, d, row, spec_.hidden_size) : nullptr);
    });
  }

  View<const T> x_of(std::ptrdiff_t row) const {
    return View<const T>{call_.x, call_.x_step, call_.x_row}.from(0, row);
  }
  View<T> y_of(std::ptrdiff_t row) const { return View<T>{call_.y, call_.y_step, call_.y_row}.from(0, row); }
  View<T> between(const Part<T>& part, std::int64_t layer, std::ptrdiff_t rows) const {
    return {part.between[layer % 2], rows * spec_.output_size(), spec_.output_size()};
  }

  void chunk_by_chunk(const Part<T>& part, std::ptrdiff_t row, std::ptrdiff_t rows, Meeting& hidden) const {
    for (std::ptrdiff_t t = 0; t < call_.steps; t += plan_.chunk) {
      const std::ptrdiff_t steps = std::min<std::ptrdiff_t>(plan_.chunk, call_.steps - t);
      View<const T> in = x_of(row).from(t, 0);
      for (std::int64_t layer = 0; layer < spec_.num_layers; ++layer) {
        const bool last = layer + 1 == spec_.num_layers;
        const View<T> out = last ? y_of(row).from(t, 0) : between(part, layer, rows);
        part.runs[layer].advance(in, out, steps, plan_.chunk, part.gates, hidden);
        in = {out.data, out.step, out.row};
      }
    }
  }

  void layer_by_layer(const Part<T>& part, Place place, std::ptrdiff_t row, std::ptrdiff_t rows, Meeting& directions,
                      Meeting& hidden) const {
    View<const T> in = x_of(row);
    for (std::int64_t layer = 0; layer < spec_.num_layers; ++layer) {
      const View<T> out = layer + 1 == spec_.num_layers ? y_of(row) : between(part, layer, rows);
      for (int i = 0; i < directions_each(); ++i) {
        const int d = place.direction + i;
        const View<T> half = {out.data + d * spec_.state_size(), out.step, out.row};
        DirectionRun<T>& run = part.runs[layer * directions_each() + i];
        run.advance(d ? in.reversed(call_.steps) : in, d ? half.reversed(call_.steps) : half, call_.steps, plan_.chunk,
                    part.gates, hidden);
      }
      directions.meet();  // both directions of a layer are done, and nobody reads the layer before any more
      in = {out.data, out.step, out.row};
    }
  }

  const PackedNetwork<T>& net_;
  const Spec& spec_;
  const Call<T>& call_;
  const Plan plan_;
  Part<T>* parts_ = nullptr;
};

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
void forward(const PackedNetwork<T>& net, const Call<T>& call, const Plan& wanted) {
  if (call.steps == 0 || call.rows == 0) return keep_state(net.spec, call);
  const FpMode mode;  // for the cost model too: it must not trap or leave flags either
  Claim claim(wanted.threads() - 1);
  const bool busy = claim.size() + 1 < wanted.threads();
  const Plan plan = busy ? make_plan(net, call.steps, call.rows, claim.size() + 1) : wanted;

  Forward<T> run(net, call, plan);
  Carver measure;
  run.lay_out(measure);
  const Scratch scratch(measure.used());
  Carver carver(scratch.base());
  run.lay_out(carver);

  claim.run(plan.threads(), [](void* context, int part) { static_cast<Forward<T>*>(context)->run_part(part); }, &run);
}

template void forward<float>(const PackedNetwork<float>&, const Call<float>&, const Plan&);
template void forward<double>(const PackedNetwork<double>&, const Call<double>&, const Plan&);

}  // namespace gatecell
