#include "schedule/plan.h"

#include <algorithm>
#include <chrono>

#include "constants.h"
#include "runtime/cpu_count.h"
#include "schedule/cost.h"
#include "schedule/thread_pool.h"

namespace gatecell {
namespace {

std::int64_t divide_up(std::int64_t n, std::int64_t size) { return (n - 1) / size + 1; }  // n >= 1

// Chooses group_rows and chunk. Groups have nearly equal sizes, and so have chunks.
template <class T>
void choose_blocking(const PackedNetwork<T>& net, std::int64_t steps, std::int64_t rows, Plan& plan) {
  const std::int64_t share_rows = plan.row_parts == 1 ? rows : divide_up(rows, plan.row_parts);
  plan.group_rows = share_rows <= kGroupRows ? share_rows : divide_up(share_rows, divide_up(share_rows, kGroupRows));
  if (plan.layer_parts > 1) {
    plan.chunk = std::min(steps, kLayerChunk);
  } else if (steps > 1) {
    const PanelShape& shape = net.directions.front().input;
    const auto row_bytes = static_cast<std::int64_t>(sizeof(T)) * shape.padded_units() * shape.num_gates;
    const std::int64_t pre_activation_bytes =
        std::max(static_cast<std::int64_t>(kPreActivationShare * net.caches.l2_of(plan.threads())),
                 shape.bytes() / kWeightBytesPerPreActivationByte);
    const std::int64_t longest = std::max(pre_activation_bytes / row_bytes, kFewestChunkRows) / plan.group_rows;
    plan.chunk = divide_up(steps, divide_up(steps, std::max<std::int64_t>(longest, 1)));
  }
}

// Completes a plan that has its splits: adds the blocking, the step kernel and the prediction.
template <class T>
void complete_plan(const PackedNetwork<T>& net, std::int64_t steps, std::int64_t rows, Plan& plan) {
  choose_blocking(net, steps, rows, plan);
  plan.fused = choose_fused(net, steps, plan.group_rows, plan);
  plan.seconds = predict_seconds(net, steps, rows, plan);
}

// The calls that a thread makes one right after the other. Waking a worker does not pay for one short call. It pays for
// a long series, because the worker stays awake between the calls.
class CallSeries {
 public:
  // Whether the next call continues a long series, if it begins now.
  bool is_long() const { return seconds_ + last_seconds_ > kLoopSeconds && goes_on(Clock::now()); }
  void record(double seconds) {
    const Clock::time_point now = Clock::now();
    seconds_ = goes_on(now) ? seconds_ + last_seconds_ : 0;
    last_ = now;
    last_seconds_ = seconds;
  }

 private:
  using Clock = std::chrono::steady_clock;

  bool goes_on(Clock::time_point now) const {
    return std::chrono::duration<double>(now - last_).count() < 2 * last_seconds_ + kLoopGap;
  }

  Clock::time_point last_;                 // when the last call began
  double last_seconds_ = 0, seconds_ = 0;  // of the last call, and of the series without it
};

CallSeries& series_of_thread() {
  thread_local CallSeries series;
  return series;
}

// The plan with the fastest split among at most `threads` threads, or `best` if no split is faster.
template <class T>
Plan choose_split(const PackedNetwork<T>& net, std::int64_t steps, std::int64_t rows, std::int64_t threads, Plan best) {
  const auto consider = [&](std::int64_t row_parts, int directions, std::int64_t hidden, std::int64_t layers) {
    Plan plan;
    plan.row_parts = static_cast<int>(row_parts);
    plan.direction_parts = directions;
    plan.layer_parts = static_cast<int>(layers);
    plan.hidden_parts = static_cast<int>(hidden);
    if (plan.threads() == 1) return;
    complete_plan(net, steps, rows, plan);
    plan.seconds += kStartSeconds;
    const bool waits_often = hidden > 1 || layers > 1;
    if (plan.seconds * (waits_often ? kBarrierRisk : 1) < best.seconds) best = plan;
  };
  for (int directions = 1; directions <= std::min<std::int64_t>(net.spec.num_directions(), threads); ++directions) {
    const std::int64_t each = threads / directions;
    for (std::int64_t hidden = 1; hidden <= std::min(each, hidden_lines(net)); ++hidden) {
      consider(std::min(each / hidden, rows), directions, hidden, 1);
    }
  }
  if (!net.spec.bidirectional && rows <= kGroupRows) consider(1, 1, 1, std::min(threads, net.spec.num_layers));
  return best;
}

// The plan of a call of this shape. If it matters whether the call is in a loop, asks in_loop(duration on one thread).
template <class T, class InLoop>
Plan plan_shape(const PackedNetwork<T>& net, std::int64_t steps, std::int64_t rows, int num_threads,
                const InLoop& in_loop) {
  Plan plan;
  if (steps < 1 || rows < 1) return plan;
  complete_plan(net, steps, rows, plan);
  if (num_threads < 2 || plan.seconds <= kWorthAwake) return plan;
  if (plan.seconds <= kWorthThreads && !in_loop(plan.seconds)) return plan;
  const Plan alone = plan;
  plan = choose_split(net, steps, rows, num_threads, alone);
  const int cpus = plan.threads() > 1 ? usable_cpus() : num_threads;  // this asks the system, so only if it matters
  if (cpus < num_threads) plan = choose_split(net, steps, rows, cpus, alone);
  return plan;
}

// The plan of a call that may have lengths.
template <class T, class InLoop>
Plan plan_call(const PackedNetwork<T>& net, const Call<T>& call, const Extent& e, int num_threads,
               const InLoop& in_loop) {
  if (!call.lengths) return plan_shape(net, call.steps, call.rows, num_threads, in_loop);
  const bool padded = call.layout == Layout::padded;
  const double zeros = padded ? static_cast<double>((call.steps * call.rows - e.total) * net.spec.output_size()) : 0;
  const double padding_seconds = zeros * sizeof(T) * kZeroByteSeconds;
  if (e.total == 0) {
    Plan plan;
    plan.seconds = padding_seconds;
    return plan;
  }
  Plan plan = plan_shape(net, e.longest, (e.total + e.longest / 2) / e.longest, num_threads, in_loop);
  if (plan.layer_parts > 1 && call.rows > kGroupRows) {  // layers can only be split if all rows are one group
    plan = plan_shape(net, e.longest, kGroupRows + 1, num_threads, [](double) { return true; });
  }
  choose_blocking(net, e.longest, call.rows, plan);
  plan.seconds += padding_seconds;
  return plan;
}

}  // namespace

// A fused step does not write and read projected pre-activations. But every fused step reads W_ih as well as W_hh. So
// fused steps are faster if both matrices stay in the L2 cache, or if enough rows use what is read from the L3 cache.
// One or two rows fill no tile: projecting several steps at once is faster for them. A single step has no other steps
// to be projected with, so it is always fused.
template <class T>
bool choose_fused(const PackedNetwork<T>& net, std::int64_t steps, std::int64_t rows, const Plan& plan) {
  if (steps == 1) return true;
  if (rows < kFewestFusedRows) return false;
  const auto bytes = static_cast<double>(net.input_weights + net.recurrent_weights) * net.weight_bytes() /
                     static_cast<double>(net.directions.size());
  return bytes / plan.hidden_parts < net.caches.l2_of(plan.threads()) ||
         (rows >= kFewestSharedRows && bytes < kSharedWeightShare * net.caches.l3);
}

template <class T>
Plan make_plan(const PackedNetwork<T>& net, std::int64_t steps, std::int64_t rows, int num_threads, bool in_loop) {
  return plan_shape(net, steps, rows, num_threads, [&](double) { return in_loop; });
}

template <class T>
Plan make_plan(const PackedNetwork<T>& net, const Call<T>& call, const Extent& extent, int num_threads, bool in_loop) {
  return plan_call(net, call, extent, num_threads, [&](double) { return in_loop; });
}

template <class T>
Plan plan_next_call(const PackedNetwork<T>& net, const Call<T>& call, const Extent& extent, int num_threads,
                    double& loop_seconds) {
  return plan_call(net, call, extent, num_threads, [&](double seconds) {
    loop_seconds = seconds;
    return series_of_thread().is_long() || thread_pool_is_awake();
  });
}

void record_call(double seconds) { series_of_thread().record(seconds); }

template <class T>
Forecast forecast(const PackedNetwork<T>& net, std::int64_t steps, std::int64_t rows, const Plan& plan) {
  if (steps < 1 || rows < 1) return {};
  Forecast result;
  const Cost costs = cost(net, steps, rows, plan);
  const double most = std::max({costs.computing, costs.reading, costs.waiting, costs.calling});
  result.limit = most == costs.computing ? Limit::multiply_adds
                 : most == costs.reading ? costs.level
                 : most == costs.waiting ? Limit::barriers
                                         : Limit::calls;
  // Each group of rows reads the recurrent weights in every step, and the input weights in every step or every chunk.
  std::int64_t passes = 0;
  for (int share = 0; share < plan.row_parts; ++share) {
    const std::int64_t first = first_row(rows, plan.row_parts, share),
                       last = first_row(rows, plan.row_parts, share + 1);
    passes += divide_up(last - first, plan.group_rows);
  }
  const std::int64_t input_reads = plan.fused ? steps : divide_up(steps, plan.chunk);
  const double recurrent = static_cast<double>(net.recurrent_weights) * static_cast<double>(steps);
  const double input = static_cast<double>(net.input_weights) * static_cast<double>(input_reads);
  result.step_bytes =
      net.weight_bytes() * static_cast<double>(passes) * (recurrent + input) / static_cast<double>(steps);
  return result;
}

template Plan make_plan<float>(const PackedNetwork<float>&, std::int64_t, std::int64_t, int, bool);
template Plan make_plan<double>(const PackedNetwork<double>&, std::int64_t, std::int64_t, int, bool);
template Plan make_plan<float>(const PackedNetwork<float>&, const Call<float>&, const Extent&, int, bool);
template Plan make_plan<double>(const PackedNetwork<double>&, const Call<double>&, const Extent&, int, bool);
template Plan plan_next_call<float>(const PackedNetwork<float>&, const Call<float>&, const Extent&, int, double&);
template Plan plan_next_call<double>(const PackedNetwork<double>&, const Call<double>&, const Extent&, int, double&);
template bool choose_fused<float>(const PackedNetwork<float>&, std::int64_t, std::int64_t, const Plan&);
template bool choose_fused<double>(const PackedNetwork<double>&, std::int64_t, std::int64_t, const Plan&);
template Forecast forecast<float>(const PackedNetwork<float>&, std::int64_t, std::int64_t, const Plan&);
template Forecast forecast<double>(const PackedNetwork<double>&, std::int64_t, std::int64_t, const Plan&);

}  // namespace gatecell
