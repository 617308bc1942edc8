// The public classes: packed weights behind a pointer, and calls of them.
#include "gatecell/network.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "pack/packed.h"
#include "runtime/fp_mode.h"
#include "schedule/forward.h"
#include "schedule/plan.h"
#include "schedule/ragged.h"

namespace gatecell {
namespace {

// Checks that the value of each row is from 0 to `most`.
void check_rows(const char* what, const std::int64_t* values, std::int64_t rows, std::int64_t most) {
  for (std::int64_t r = 0; r < rows; ++r) {
    if (values[r] >= 0 && values[r] <= most) continue;
    throw std::invalid_argument("expected " + std::string(what) + " from 0 to " + std::to_string(most) + ", got " +
                                std::to_string(values[r]) + " in row " + std::to_string(r));
  }
}

template <class T>
void check_lengths(const Call<T>& call) {
  check_rows("lengths", call.lengths, call.rows, call.steps);
  for (std::int64_t r = 1; call.layout == Layout::packed && r < call.rows; ++r) {
    if (call.lengths[r] <= call.lengths[r - 1]) continue;
    throw std::invalid_argument("expected packed lengths that never grow, got " + std::to_string(call.lengths[r]) +
                                " in row " + std::to_string(r) + " after " + std::to_string(call.lengths[r - 1]));
  }
}

// Returns the extent of a call with lengths. has_state: whether the call needs no h_n, because its state is elsewhere.
template <class T>
inline Extent check_call(const Call<T>& call, bool has_state = false) {
  if (call.steps < 0 || call.rows < 0) {
    throw std::invalid_argument("expected steps and rows of at least 0, got " + std::to_string(call.steps) + " and " +
                                std::to_string(call.rows));
  }
  Extent found;
  if (call.lengths) {
    check_lengths(call);
    found = extent(call);
  }
  if (call.state_rows) check_rows("state_rows", call.state_rows, call.rows, call.state_capacity - 1);
  if (call.x && call.y && (call.h_n || has_state)) return found;
  const bool empty = call.lengths ? found.total == 0 : call.steps == 0 || call.rows == 0;
  if (empty) return found;
  throw std::invalid_argument(std::string("expected ") + (has_state ? "x and y" : "x, y and h_n") + ", got null for " +
                              (!call.x   ? "x"
                               : !call.y ? "y"
                                         : "h_n"));
}

[[noreturn]] void throw_wrong_plan(const Plan& plan, std::int64_t rows) {
  std::string got;
  const auto append = [&](const char* field, std::int64_t value) {
    got += std::string(got.empty() ? "" : ", ") + field + "=" + std::to_string(value);
  };
  append("row_parts", plan.row_parts);
  append("direction_parts", plan.direction_parts);
  append("hidden_parts", plan.hidden_parts);
  append("layer_parts", plan.layer_parts);
  append("chunk", plan.chunk);
  append("group_rows", plan.group_rows);
  throw std::invalid_argument("expected a plan for this network and B=" + std::to_string(rows) + ", got " + got);
}

void check_plan(const Spec& spec, std::int64_t rows, const Plan& plan) {
  constexpr std::int64_t most_threads = 1 << 20;
  const std::int64_t rows_and_hidden = std::int64_t{plan.row_parts} * plan.hidden_parts;
  const bool may_split_layers = rows_and_hidden == 1 && !spec.bidirectional && plan.group_rows >= rows;
  const bool is_valid = plan.row_parts >= 1 && plan.row_parts <= std::max<std::int64_t>(rows, 1) &&
                        (plan.direction_parts == 1 || plan.direction_parts == spec.num_directions()) &&
                        plan.hidden_parts >= 1 && plan.hidden_parts <= spec.hidden_size &&
                        rows_and_hidden <= most_threads && plan.layer_parts >= 1 &&
                        plan.layer_parts <= spec.num_layers && (plan.layer_parts == 1 || may_split_layers) &&
                        plan.chunk >= 1 && plan.group_rows >= 1;
  if (!is_valid) throw_wrong_plan(plan, rows);
}

}  // namespace

template <class T>
PreparedCall<T>::PreparedCall(const PackedNetwork<T>& net, const Call<T>& call, const StateArrays<T>* states,
                              int num_threads)
    : net_(net),
      call_(call),
      states_(states),
      extent_(check_call(call, states != nullptr)),
      plan_(plan_next_call(net, call, extent_, num_threads, loop_seconds_)) {}

template <class T>
void PreparedCall<T>::run() const {
  const FpMode mode;
  execute();
}

template <class T>
void PreparedCall<T>::execute() const {
  if (loop_seconds_ > 0) record_call(loop_seconds_);
  gatecell::forward(net_, call_, extent_, states_, plan_);
}

template <class T>
Network<T>::Network(const Spec& spec, const std::vector<DirectionWeights<T>>& weights, Isa isa) {
  validate(spec);
  parse_isa(name(isa));  // throws if this machine cannot run it
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
Plan Network<T>::plan(std::int64_t steps, std::int64_t rows, int num_threads, bool in_loop) const {
  const FpMode mode;  // the cost model must not trap and must not leave sticky flags
  return make_plan(*packed_, steps, rows, num_threads, in_loop);
}

template <class T>
Plan Network<T>::plan(const Call<T>& call, int num_threads, bool in_loop) const {
  const Extent found = check_call(call);
  const FpMode mode;
  return make_plan(*packed_, call, found, num_threads, in_loop);
}

template <class T>
Forecast Network<T>::forecast(std::int64_t steps, std::int64_t rows, const Plan& plan) const {
  check_plan(spec(), rows, plan);
  const FpMode mode;
  return gatecell::forecast(*packed_, steps, rows, plan);
}

template <class T>
PreparedCall<T> Network<T>::prepare(const Call<T>& call, int num_threads) const {
  const FpMode mode;
  return PreparedCall<T>(*packed_, call, nullptr, num_threads);
}

template <class T>
void Network<T>::forward(const Call<T>& call, int num_threads) const {
  const FpMode mode;
  PreparedCall<T>(*packed_, call, nullptr, num_threads).execute();
}

template <class T>
void Network<T>::forward(const Call<T>& call, const Plan& plan) const {
  const Extent found = check_call(call);
  check_plan(spec(), call.rows, plan);
  Plan bounded = plan;
  bounded.chunk = std::min(plan.chunk, std::max<std::int64_t>(call.steps, 1));
  bounded.group_rows = std::min(plan.group_rows, std::max<std::int64_t>(call.rows, 1));
  const FpMode mode;
  gatecell::forward<T>(*packed_, call, found, nullptr, bounded);
}

template class PreparedCall<float>;
template class PreparedCall<double>;
template class Network<float>;
template class Network<double>;

}  // namespace gatecell
