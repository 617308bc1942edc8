// Runs a call: leases workers, handles calls without steps, begins alone while the workers still sleep, and chooses
// between the call executor and the short way of a call of one chunk.
#include "schedule/forward.h"

#include <algorithm>

#include "constants.h"
#include "runtime/scratch.h"
#include "schedule/call_executor.h"
#include "schedule/layer_runs.h"
#include "schedule/plan.h"
#include "schedule/ragged.h"
#include "schedule/round_trip.h"
#include "schedule/worker_lease.h"

namespace gatecell {
namespace {

template <class T>
void execute(const PackedNetwork<T>& net, const Call<T>& call, const StateArrays<T>* states, const Plan& plan,
             WorkerLease& lease, ExecutionStats* stats, const Ragged* ragged = nullptr) {
  CallExecutor<T> executor(net, call, states, plan, ragged, stats != nullptr);
  const Scratch scratch([&](BumpAllocator& allocator) { executor.lay_out(allocator); });
  lease.run(plan.threads(), [](void* e, int share) { static_cast<CallExecutor<T>*>(e)->run_share(share); }, &executor);
  if (stats) executor.add_stats(*stats);
  if (plan.hidden_parts > 1 || plan.layer_parts > 1)
    refresh_counter_round_trip(lease);  // for the plan of the next call
}

// Whether one thread takes all rows through one chunk, as in a call of one step.
template <class T>
bool is_one_chunk(const Call<T>& call, const Plan& plan) {
  return plan.threads() == 1 && plan.chunk >= call.steps && plan.group_rows >= call.rows;
}

template <class T>
inline void execute_chunk(const PackedNetwork<T>& net, const Call<T>& call, const StateArrays<T>* states, bool fused,
                          ExecutionStats* stats) {
  LayerRuns<T> runs(net, call.rows, call.steps);
  const Scratch scratch([&](BumpAllocator& allocator) { runs.lay_out(allocator, fused); });
  const auto direction_runs = static_cast<std::ptrdiff_t>(net.directions.size());
  for (std::ptrdiff_t i = 0; i < direction_runs; ++i) {
    runs[i].begin(states ? states[i] : state_arrays(net.spec, call, i), call.rows);
  }
  runs.advance({call.x, call.x_step, call.x_row}, {call.y, call.y_step, call.y_row}, call.steps, fused, stats);
  for (std::ptrdiff_t i = 0; i < direction_runs; ++i) runs[i].set_active_rows(0);
  if (stats) ++stats->threads;
}

// A call without lengths.
template <class T>
inline void execute_equal(const PackedNetwork<T>& net, const Call<T>& call, const StateArrays<T>* states,
                          const Plan& plan, WorkerLease& lease, ExecutionStats* stats) {
  is_one_chunk(call, plan) ? execute_chunk(net, call, states, plan.fused, stats)
                           : execute(net, call, states, plan, lease, stats);
}

// The workers sleep, and take 10 to 90 us to wake. Until then the calling thread takes the first steps, a few at a
// time, with the state in h_n and c_n. If one step is long, it takes none. Returns the call that is left to do. The
// results have the same bits.
template <class T>
Call<T> start_alone(const PackedNetwork<T>& net, const Call<T>& call, WorkerLease& lease, ExecutionStats* stats) {
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
    execute_equal<T>(net, piece, nullptr, plan, lease, nullptr);
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
  const std::int64_t direction_runs = spec.direction_runs();
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
  // state would no longer exist. In a call whose state arrays are elsewhere both pointers are null.
  const bool in_place = call.h_0 == call.h_n;
  return one_direction && stores_state && !in_place && !lease.is_awake();
}

template <class T>
inline void forward_equal(const PackedNetwork<T>& net, const Call<T>& call, const StateArrays<T>* states,
                          const Plan& plan, WorkerLease& lease, ExecutionStats* stats) {
  if (plan.threads() == 1 || !begins_alone(net.spec, call, lease)) {
    return execute_equal(net, call, states, plan, lease, stats);
  }
  const Call<T> rest = start_alone(net, call, lease, stats);
  if (rest.steps > 0) execute_equal<T>(net, rest, nullptr, plan, lease, stats);
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

template <class T>
inline void forward_with(const PackedNetwork<T>& net, const Call<T>& call, const Extent& extent,
                         const StateArrays<T>* states, const Plan& plan, WorkerLease& lease, ExecutionStats* stats) {
  call.lengths ? forward_ragged(net, call, extent, plan, lease, stats)
               : forward_equal(net, call, states, plan, lease, stats);
}

}  // namespace

template <class T>
void forward(const PackedNetwork<T>& net, const Call<T>& call, const Extent& extent, const StateArrays<T>* states,
             const Plan& wanted, ExecutionStats* stats) {
  if (call.steps == 0 || call.rows == 0) return copy_state(net.spec, call);
  WorkerLease lease(wanted.threads() - 1);
  if (lease.size() + 1 == wanted.threads()) {
    return forward_with(net, call, extent, states, wanted, lease, stats);
  }
  const Plan fewer = make_plan(net, call, extent, lease.size() + 1, true);
  forward_with(net, call, extent, states, fewer, lease, stats);
}

template void forward<float>(const PackedNetwork<float>&, const Call<float>&, const Extent&, const StateArrays<float>*,
                             const Plan&, ExecutionStats*);
template void forward<double>(const PackedNetwork<double>&, const Call<double>&, const Extent&,
                              const StateArrays<double>*, const Plan&, ExecutionStats*);

}  // namespace gatecell
