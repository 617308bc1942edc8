#include "schedule/cost.h"

#include <algorithm>
#include <cmath>

#include "schedule/round_trip.h"

namespace gatecell {
namespace {

// The fraction of weights in no near cache that comes from memory, and not from L3. The threads that share an L3 cache
// read all weights or, if hidden units are split, their parts.
double far_fraction(const Caches& cache, double bytes, int hidden_parts) {
  if (hidden_parts > cache.l3_cores) bytes *= static_cast<double>(cache.l3_cores) / hidden_parts;
  return std::clamp(bytes / cache.l3 - kL3Share, 0., 1.);
}

double overlap(double a, double b) { return std::max(a, b) + (1 - kOverlap) * std::min(a, b); }

// A counter and then the new h must reach the other core. Threads also do not arrive at the same moment.
double barrier_seconds() { return kRoundTripsPerBarrier * counter_round_trip() + kBarrierSeconds; }

// Always inline, so that predict_seconds() has no instructions for the other results.
template <class T>
__attribute__((always_inline)) inline Cost compute_cost(const PackedNetwork<T>& net, std::int64_t steps,
                                                        std::int64_t rows, const Plan& plan) {
  const Spec& spec = net.spec;
  const Rates& rate = net.rates;
  const PackedDirection<T>& direction = net.directions.front();
  const auto direction_runs = static_cast<double>(net.directions.size());
  double share = 1;  // the largest share of the hidden units
  if (plan.hidden_parts > 1) {
    const std::int64_t lines = hidden_lines(net);
    share = static_cast<double>((lines + plan.hidden_parts - 1) / plan.hidden_parts) / static_cast<double>(lines);
  }
  const std::int64_t share_rows = plan.row_parts == 1 ? rows : (rows - 1) / plan.row_parts + 1;
  const double passes = share_rows <= kGroupRows ? 1 : std::ceil(static_cast<double>(share_rows) / kGroupRows);
  const auto input = static_cast<double>(net.input_weights) / direction_runs;
  const double recurrent = static_cast<double>(net.recurrent_weights) / direction_runs;

  // One step of one direction run, averaged over the layers.
  const double flop = rate.flop * sizeof(T) / sizeof(float) * share * static_cast<double>(share_rows);
  const auto pre_activations = static_cast<double>(direction.input.padded_units() * direction.input.num_gates);
  const double projecting = 2 * input * flop, stepping = (2 * recurrent + kFlopsPerActivation * pre_activations) * flop;
  const double step_weights = plan.fused ? input + recurrent : recurrent;
  const double total_bytes = step_weights * net.weight_bytes(), bytes = total_bytes * share;
  const Caches& cache = net.caches;
  const double l2_bytes = cache.l2_cores == 1 ? cache.l2 : cache.l2_of(plan.threads());  // spares a division
  const double in_l1 = std::min(bytes, cache.l1), in_l2 = std::min(bytes, l2_bytes) - in_l1;
  double far = 0, beyond_l2 = 0;
  if (bytes > l2_bytes) {
    far = far_fraction(cache, total_bytes, plan.hidden_parts);
    beyond_l2 = (bytes - l2_bytes) * (rate.l3_byte + far * (rate.memory_byte - rate.l3_byte));
  }
  const double reading = passes * (in_l1 * rate.l1_byte + in_l2 * rate.l2_byte + beyond_l2);
  const double pre_activation_traffic =
      plan.fused ? 0 : 2 * pre_activations * share * static_cast<double>(share_rows) * sizeof(T) * rate.l2_byte;
  const double computed = plan.fused ? overlap(projecting + stepping, reading)
                                     : overlap(projecting, pre_activation_traffic) + overlap(stepping, reading);
  const double waiting = plan.hidden_parts > 1 ? net.barriers_per_step * barrier_seconds() : 0;

  Cost total;
  total.calling = kCallSeconds;
  const bool from_memory = far * rate.memory_byte > (1 - far) * rate.l3_byte;
  total.level = from_memory ? Limit::memory : bytes > l2_bytes ? Limit::l3 : bytes > cache.l1 ? Limit::l2 : Limit::l1;
  double times = static_cast<double>(steps) * direction_runs;
  if (plan.direction_parts > 1) {
    times /= plan.direction_parts;
    total.waiting += static_cast<double>(spec.num_layers) * kLayerSeconds;
  }
  if (plan.layer_parts > 1) {
    const double chunks = std::ceil(static_cast<double>(steps) / static_cast<double>(plan.chunk));
    const double tasks = chunks * direction_runs, threads = plan.layer_parts;
    times *= (tasks + threads * (threads - 1)) / (tasks * threads);
    total.waiting += tasks / threads * barrier_seconds();
    total.calling += tasks / threads * kTaskSeconds;
  }
  total.computing += times * (projecting + stepping);
  total.reading += times * (reading + pre_activation_traffic);
  total.seconds = times * (computed + waiting + passes * kStepSeconds) + total.waiting + total.calling;
  total.waiting += times * waiting;
  total.calling += times * passes * kStepSeconds;
  return total;
}

}  // namespace

template <class T>
Cost cost(const PackedNetwork<T>& net, std::int64_t steps, std::int64_t rows, const Plan& plan) {
  return compute_cost(net, steps, rows, plan);
}

template <class T>
double predict_seconds(const PackedNetwork<T>& net, std::int64_t steps, std::int64_t rows, const Plan& plan) {
  return compute_cost(net, steps, rows, plan).seconds;
}

template Cost cost<float>(const PackedNetwork<float>&, std::int64_t, std::int64_t, const Plan&);
template Cost cost<double>(const PackedNetwork<double>&, std::int64_t, std::int64_t, const Plan&);
template double predict_seconds<float>(const PackedNetwork<float>&, std::int64_t, std::int64_t, const Plan&);
template double predict_seconds<double>(const PackedNetwork<double>&, std::int64_t, std::int64_t, const Plan&);

}  // namespace gatecell
