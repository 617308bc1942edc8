// Prepares a call for the call executor: leases workers, handles calls without steps, and begins alone while the
// workers still sleep.
#include "schedule/forward.h"

#include <algorithm>

#include "runtime/scratch.h"
#include "schedule/call_executor.h"
#include "schedule/plan.h"
#include "schedule/ragged.h"
#include "schedule/round_trip.h"
#include "schedule/worker_lease.h"

namespace gatecell {
namespace {

template <class T>
void execute(const PackedNetwork<T>& net, const Call<T>& call, const StateArrays<T>* states, const Plan& plan,
             WorkerLease& lease, ExecutionStats* stats, const Ragged* ragged = nullptr) {
  CallExecutor<T> executor(net, call, states, plan, ragged);
  const Scratch scratch([&](BumpAllocator& allocator) { executor.lay_out(allocator); });
  lease.run(plan.threads(), [](void* e, int share) { static_cast<CallExecutor<T>*>(e)->run_share(share); }, &executor);
  if (stats) executor.add_stats(*stats);
  if (plan.hidden_parts > 1 || plan.layer_parts > 1)
    refresh_counter_round_trip(lease);  // for the plan of the next call
}

// The workers sleep, and take 10 to 90 us to wake. Until then the calling thread takes the first steps, a few at a
// time, with the state in h_n and c_n. If one step takes more than 30 us, it takes none. Returns the call that is left
// to do. The results have the same bits.
template <class T>
Call<T> start_alone(const PackedNetwork<T>& net, const Call<T>& call, WorkerLease& lease, ExecutionStats* stats) {
  constexpr double kPieceSeconds = 10e-6, kLongStep = 30e-6;
  const Plan alone = make_plan(net, call.steps, call.rows, 1);
  const double step = alone.seconds / static_cast<double>(call.steps);
  Call<T> rest = call;
  if (step > kLongStep) return rest;
  Call<T> piece = call;
  piece.steps = std::max<std::int64_t>(1, static_cast<std::int64_t>(kPieceSeconds / step));
  const Plan plan = make_plan(net, piece.steps, call.rows, 1);
  lease.wake();
  while (rest.steps > 0 && !lease.has_woken()) {
    piece.steps = std::min(piece.steps, rest.steps);
    execute<T>(net, piece, nullptr, plan, lease, nullptr);
    rest.steps -= piece.steps;
    rest.x = piece.x += piece.steps * call.x_step;
    rest.y = piece.y += piece.steps * call.y_step;
    rest.h_0 = piece.h_0 = call.h_n;
    rest.c_0 = piece.c_0 = call.c_n;
  }
  if (stats) stats->joined_at = call.steps - rest.steps;
  return rest;
}

// A call without steps: copies h_0 to h_n and c_0 to c_n.
template <class T>
void copy_state(const Spec& spec, const Call<T>& call) {
  const std::ptrdiff_t state_rows = call.state_rows ? call.state_capacity : call.rows;
  const std::int64_t direction_runs = spec.num_layers * spec.num_directions();
  const auto copy = [&](const T* from, std::ptrdiff_t size, T* to) {
    for (std::ptrdiff_t row = 0; to && to != from && row < call.rows; ++row) {
      const std::ptrdiff_t state_row = call.state_rows ? call.state_rows[row] : row;
      for (std::int64_t direction_index = 0; direction_index < direction_runs; ++direction_index) {
        const std::ptrdiff_t offset = (direction_index * state_rows + state_row) * size;
        from ? std::copy_n(from + offset, size, to + offset) : std::fill_n(to + offset, size, T(0));
      }
    }
  };
  copy(call.h_0, spec.state_size(), call.h_n);
  copy(call.c_0, spec.hidden_size, call.c_n);
}

// The same call without lengths, for rows that all have `steps` steps.
template <class T>
Call<T> without_lengths(Call<T> call, std::int64_t steps) {
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

// Whether the calling thread begins alone, on a call for several threads.
template <class T>
bool begins_alone(const Spec& spec, const Call<T>& call, const WorkerLease& lease) {
  const bool stores_state = spec.cell != Cell::lstm || call.c_n;
  const bool one_direction = !spec.bidirectional;  // the reverse direction begins with the last step
  // A call that updates its state in place must not begin alone: if there were no memory for its second half, the old
  // state would no longer exist.
  const bool in_place = call.h_0 == call.h_n;
  return one_direction && stores_state && !in_place && !lease.is_awake();
}

template <class T>
void forward_equal(const PackedNetwork<T>& net, const Call<T>& call, const StateArrays<T>* states, const Plan& plan,
                   WorkerLease& lease, ExecutionStats* stats) {
  if (plan.threads() == 1 || !begins_alone(net.spec, call, lease)) {
    return execute(net, call, states, plan, lease, stats);
  }
  const Call<T> rest = start_alone(net, call, lease, stats);
  if (rest.steps > 0) execute<T>(net, rest, nullptr, plan, lease, stats);
}

template <class T>
void forward_ragged(const PackedNetwork<T>& net, const Call<T>& call, const Extent& e, const Plan& plan,
                    WorkerLease& lease, ExecutionStats* stats) {
  if (e.total < e.longest * call.rows) {
    const Ragged ragged(call, e.longest, plan.row_parts);
    return execute<T>(net, call, nullptr, plan, lease, stats, &ragged);
  }
  for (std::int64_t row = 0; call.layout == Layout::padded && row < call.rows; ++row) {
    fill_padding(call, net.spec.output_size(), row);
  }
  if (e.total == 0) return copy_state(net.spec, call);
  forward_equal<T>(net, without_lengths(call, e.longest), nullptr, plan, lease, stats);
}

}  // namespace

template <class T>
void forward(const PackedNetwork<T>& net, const Call<T>& call, const Extent& extent, const StateArrays<T>* states,
             const Plan& wanted, ExecutionStats* stats) {
  if (call.steps == 0 || call.rows == 0) return copy_state(net.spec, call);
  WorkerLease lease(wanted.threads() - 1);
  const bool busy = lease.size() + 1 < wanted.threads();
  const Plan fewer = busy ? make_plan(net, call, extent, lease.size() + 1, true) : Plan{};
  const Plan& plan = busy ? fewer : wanted;
  call.lengths ? forward_ragged(net, call, extent, plan, lease, stats)
               : forward_equal(net, call, states, plan, lease, stats);
}

template void forward<float>(const PackedNetwork<float>&, const Call<float>&, const Extent&, const StateArrays<float>*,
                             const Plan&, ExecutionStats*);
template void forward<double>(const PackedNetwork<double>&, const Call<double>&, const Extent&,
                              const StateArrays<double>*, const Plan&, ExecutionStats*);

}  // namespace gatecell
