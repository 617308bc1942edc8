// From a call to a grid that threads work on: who is free to help, what needs no work, and who begins.
#include "schedule/forward.h"

#include <algorithm>

#include "runtime/scratch.h"
#include "schedule/grid.h"
#include "schedule/plan.h"
#include "schedule/ragged.h"
#include "schedule/team.h"

namespace gatecell {
namespace {

template <class T>
void run(const PackedNetwork<T>& net, const Call<T>& call, const Plan& plan, Claim& claim, Counts* counts,
         const Ragged* ragged = nullptr) {
  Grid<T> grid(net, call, plan, ragged);
  const Scratch scratch([&](Carver& carver) { grid.lay_out(carver); });
  claim.run(plan.threads(), [](void* g, int part) { static_cast<Grid<T>*>(g)->run_part(part); }, &grid);
  if (counts) grid.add_counts(*counts);
  if (plan.hidden_parts > 1 || plan.layer_parts > 1) refresh_flag_round_trip(claim);  // for the next call's plan
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

// No steps: the state stays as it was given.
template <class T>
void keep_state(const Spec& spec, const Call<T>& call) {
  const std::ptrdiff_t states = call.state_rows ? call.states : call.rows;
  const auto copy = [&](const T* from, std::ptrdiff_t size, T* to) {
    for (std::ptrdiff_t row = 0; to && to != from && row < call.rows; ++row) {
      const std::ptrdiff_t state = call.state_rows ? call.state_rows[row] : row;
      for (std::int64_t chain = 0; chain < spec.num_layers * spec.directions(); ++chain) {
        const std::ptrdiff_t offset = (chain * states + state) * size;
        from ? std::copy_n(from + offset, size, to + offset) : std::fill_n(to + offset, size, T(0));
      }
    }
  };
  copy(call.h_0, spec.state_size(), call.h_n);
  copy(call.c_0, spec.hidden_size, call.c_n);
}

// Rows that are all as long: the same call without lengths.
template <class T>
Call<T> even(Call<T> call, std::int64_t steps) {
  if (call.layout == Layout::packed) {
    call.x_step = call.rows * call.x_row;
    call.y_step = call.rows * call.y_row;
  } else if (call.layout == Layout::jagged) {
    call.x_row = steps * call.x_step;
    call.y_row = steps * call.y_step;
  }
  call.lengths = nullptr;
  call.steps = steps;
  return call;
}

template <class T>
void forward_even(const PackedNetwork<T>& net, const Call<T>& call, const Plan& plan, Claim& claim, Counts* counts) {
  const bool keeps_state = net.spec.cell != Cell::lstm || call.c_n;
  const bool one_way = !net.spec.bidirectional;  // two need the last step before the first
  // In place the state would be lost if there were no memory for the second part of the call.
  const bool in_two = plan.threads() > 1 && one_way && keeps_state && call.h_0 != call.h_n && !claim.is_awake();
  if (!in_two) return run(net, call, plan, claim, counts);
  const Call<T> rest = start_alone(net, call, claim, counts);
  if (rest.steps > 0) run(net, rest, plan, claim, counts);
}

template <class T>
void forward_ragged(const PackedNetwork<T>& net, const Call<T>& call, const Plan& plan, Claim& claim, Counts* counts) {
  const Extent e = extent(call);
  if (e.total < e.longest * call.rows) {
    const Ragged ragged(call, e.longest, plan.row_parts);
    return run(net, call, plan, claim, counts, &ragged);
  }
  for (std::int64_t row = 0; call.layout == Layout::padded && row < call.rows; ++row) {
    fill_padding(call, net.spec.output_size(), row);
  }
  if (e.total == 0) return keep_state(net.spec, call);
  forward_even(net, even(call, e.longest), plan, claim, counts);
}

}  // namespace

template <class T>
void forward(const PackedNetwork<T>& net, const Call<T>& call, const Plan& wanted, Counts* counts) {
  if (call.steps == 0 || call.rows == 0) return keep_state(net.spec, call);
  Claim claim(wanted.threads() - 1);
  const bool busy = claim.size() + 1 < wanted.threads();
  const Plan fewer = busy ? make_plan(net, call, claim.size() + 1) : Plan{};
  const Plan& plan = busy ? fewer : wanted;
  call.lengths ? forward_ragged(net, call, plan, claim, counts) : forward_even(net, call, plan, claim, counts);
}

template void forward<float>(const PackedNetwork<float>&, const Call<float>&, const Plan&, Counts*);
template void forward<double>(const PackedNetwork<double>&, const Call<double>&, const Plan&, Counts*);

}  // namespace gatecell
