#include "schedule/cost.h"

#include <algorithm>
#include <cmath>

#include "schedule/round_trip.h"

namespace gatecell {
namespace {

// far: the fraction of what is in no near cache that comes from memory, and not from L3.
double read_seconds(const Rates& rate, const CacheBytes& cache, double bytes, double far) {
  const double l1 = std::min(bytes, cache.l1), l2 = std::min(bytes, cache.l2) - l1, rest = bytes - l2 - l1;
  return l1 * rate.l1_byte + l2 * rate.l2_byte + rest * (far * rate.memory_byte + (1 - far) * rate.l3_byte);
}

double overlap(double a, double b) { return std::max(a, b) + (1 - kOverlap) * std::min(a, b); }

// A counter and then the new h must reach the other core. Threads also do not arrive at the same moment.
double barrier_seconds() { return kRoundTripsPerBarrier * counter_round_trip() + kBarrierSeconds; }

template <class T>
inline Cost compute_cost(const PackedNetwork<T>& net, std::int64_t steps, std::int64_t rows, const Plan& plan) {
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
  const double pre_activations = static_cast<double>(direction.input.padded_units()) * direction.input.num_gates;
  const double projecting = 2 * input * flop, stepping = (2 * recurrent + kFlopsPerActivation * pre_activations) * flop;
  const double step_weights = plan.fused ? input + recurrent : recurrent;
  const double total_bytes = step_weights * net.weight_bytes(), bytes = total_bytes * share;
  const CacheBytes cache = cache_bytes(net.caches, plan.threads());
  // The threads that share an L3 cache read all weights or, if hidden units are split, their parts.
  const int near_parts = std::min(plan.hidden_parts, net.caches.l3_cores);
  const double far = std::clamp(total_bytes * near_parts / plan.hidden_parts / cache.l3 - kL3Share, 0., 1.);
  const double reading = passes * read_seconds(rate, cache, bytes, far);
  const double pre_activation_traffic =
      plan.fused ? 0 : 2 * pre_activations * share * static_cast<double>(share_rows) * sizeof(T) * rate.l2_byte;
  const double computed = plan.fused ? overlap(projecting + stepping, reading)
                                     : overlap(projecting, pre_activation_traffic) + overlap(stepping, reading);
  const double waiting = plan.hidden_parts > 1 ? net.barriers_per_step * barrier_seconds() : 0;

  Cost total;
  const bool from_memory = far * rate.memory_byte > (1 - far) * rate.l3_byte;
  total.level = from_memory ? Limit::memory : bytes > cache.l2 ? Limit::l3 : bytes > cache.l1 ? Limit::l2 : Limit::l1;
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
  total.seconds = times * (computed + waiting + passes * kStepSeconds) + total.waiting + total.calling + kCallSeconds;
  total.waiting += times * waiting;
  total.calling += times * passes * kStepSeconds + kCallSeconds;
  return total;
}

}  // namespace

template <class T>
Cost cost(const PackedNetwork<T>& net, std::int64_t steps, std::int64_t rows, const Plan& plan) {
  return compute_cost(net, steps, rows, plan);
}

template <class T>
double predict_seconds(const PackedNetwork<T>& net, std::int64_t steps, std::int64_t rows, const Plan& plan) {
  return compute_cost(net, steps, rows, plan).seconds;  // inline, so that the compiler drops the other results
}

template Cost cost<float>(const PackedNetwork<float>&, std::int64_t, std::int64_t, const Plan&);
template Cost cost<double>(const PackedNetwork<double>&, std::int64_t, std::int64_t, const Plan&);
template double predict_seconds<float>(const PackedNetwork<float>&, std::int64_t, std::int64_t, const Plan&);
template double predict_seconds<double>(const PackedNetwork<double>&, std::int64_t, std::int64_t, const Plan&);

}  // namespace gatecell
