// The public class: packed weights behind a pointer.
#include "gatecell/network.h"

#include <algorithm>
#include <stdexcept>

#include "pack/packed.h"
#include "runtime/fp_mode.h"
#include "schedule/forward.h"
#include "schedule/plan.h"
#include "schedule/ragged.h"
#include "schedule/team.h"

namespace gatecell {
namespace {

template <class T>
void check_lengths(const Call<T>& call) {
  for (std::int64_t r = 0; r < call.rows; ++r) {
    const bool grows = call.layout == Layout::packed && r > 0 && call.lengths[r] > call.lengths[r - 1];
    if (call.lengths[r] < 0 || call.lengths[r] > call.steps || grows) {
      throw std::invalid_argument("a call needs lengths from 0 to its number of steps, packed ones not growing");
    }
  }
}

template <class T>
void check_call(const Call<T>& call) {
  if (call.steps < 0 || call.rows < 0) {
    throw std::invalid_argument("a call needs numbers of steps and rows that are not negative");
  }
  if (call.lengths) check_lengths(call);
  for (std::int64_t r = 0; call.state_rows && r < call.rows; ++r) {
    if (call.state_rows[r] < 0 || call.state_rows[r] >= call.states) {
      throw std::invalid_argument("a call needs state rows of its state arrays");
    }
  }
  if (call.x && call.y && call.h_n) return;
  const bool empty = call.lengths ? extent(call).total == 0 : call.steps == 0 || call.rows == 0;
  if (!empty) throw std::invalid_argument("a call needs x, y, h_n");
}

void check_plan(const Spec& spec, std::int64_t rows, const Plan& plan) {
  constexpr std::int64_t most_threads = 1 << 20;
  const std::int64_t rows_and_hidden = std::int64_t{plan.row_parts} * plan.hidden_parts;
  const bool layers_alone = rows_and_hidden == 1 && !spec.bidirectional && plan.group_rows >= rows;
  const bool fits = plan.row_parts >= 1 && plan.row_parts <= std::max<std::int64_t>(rows, 1) &&
                    (plan.direction_parts == 1 || plan.direction_parts == spec.directions()) &&
                    plan.hidden_parts >= 1 && plan.hidden_parts <= spec.hidden_size &&
                    rows_and_hidden <= most_threads && plan.layer_parts >= 1 && plan.layer_parts <= spec.num_layers &&
                    (plan.layer_parts == 1 || layers_alone) && plan.chunk >= 1 && plan.group_rows >= 1;
  if (!fits) throw std::invalid_argument("a call needs a plan of its shape");
}

}  // namespace

template <class T>
Network<T>::Network(const Spec& spec, const std::vector<DirectionWeights<T>>& weights, Isa isa) {
  validate(spec);
  parse_isa(name(isa));  // throws where this machine cannot run it
  packed_ = std::make_shared<const PackedNetwork<T>>(spec, weights, isa);
}

template <class T>
Network<T>::~Network() = default;
template <class T>
Network<T>::Network(const Network&) = default;
template <class T>
Network<T>& Network<T>::operator=(const Network&) = default;
template <class T>
Network<T>::Network(Network&&) noexcept = default;
template <class T>
Network<T>& Network<T>::operator=(Network&&) noexcept = default;

template <class T>
const Spec& Network<T>::spec() const {
  return packed_->spec;
}

template <class T>
Isa Network<T>::isa() const {
  return packed_->isa;
}

template <class T>
std::size_t Network<T>::nbytes() const {
  return packed_->nbytes;
}

template <class T>
Plan Network<T>::plan(std::int64_t steps, std::int64_t rows, int num_threads) const {
  const FpMode mode;
  return make_plan(*packed_, steps, rows, num_threads);
}

template <class T>
Plan Network<T>::plan(const Call<T>& call, int num_threads) const {
  check_call(call);
  const FpMode mode;
  return make_plan(*packed_, call, num_threads);
}

template <class T>
Forecast Network<T>::forecast(std::int64_t steps, std::int64_t rows, const Plan& plan) const {
  check_plan(spec(), rows, plan);
  const FpMode mode;
  return gatecell::forecast(*packed_, steps, rows, plan);
}

template <class T>
void Network<T>::forward(const Call<T>& call, int num_threads) const {
  check_call(call);
  const FpMode mode;  // for the cost model too: it must not trap or leave flags either
  gatecell::forward(*packed_, call, make_plan(*packed_, call, num_threads));
}

template <class T>
void Network<T>::forward(const Call<T>& call, const Plan& plan) const {
  check_call(call);
  check_plan(spec(), call.rows, plan);
  Plan bounded = plan;
  bounded.chunk = std::min(plan.chunk, std::max<std::int64_t>(call.steps, 1));
  bounded.group_rows = std::min(plan.group_rows, std::max<std::int64_t>(call.rows, 1));
  const FpMode mode;
  gatecell::forward(*packed_, call, bounded);
}

template <class T>
std::vector<std::vector<T>> Network<T>::weights() const {
  std::vector<std::vector<T>> all;
  for (const PackedDirection<T>& d : packed_->directions) unpack(d, all);
  return all;
}

template class Network<float>;
template class Network<double>;

}  // namespace gatecell
