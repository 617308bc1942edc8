#include "schedule/cost.h"

#include <algorithm>
#include <cmath>

#include "runtime/instruction_sets.h"
#include "schedule/round_trip.h"

namespace gatecell {
namespace {

constexpr double kMemoryByte = 1 / 30e9;  // from memory
// The bytes of weights that stay in caches of 48 KB, 1 MB and 32 MB while each step reads them again.
constexpr double kL1 = 40 * 1024, kL2 = 768 * 1024, kL3 = 28e6;
constexpr double kOverlap = 0.7;            // the fraction of the shorter time that is hidden behind the longer one
constexpr double kFlopsPerActivation = 40;  // for the activation of a gate and its use in the new state
constexpr double kStepSeconds = 30e-9;      // for the calls of a step
constexpr double kLayerSeconds = 1e-6;      // for the barrier of two threads at the end of a layer
constexpr double kTaskSeconds = 300e-9;     // for the first step of a chunk, when the weights are in no near cache

double read_seconds(const Rates& rate, double bytes, bool in_caches) {
  const double l1 = std::min(bytes, kL1), l2 = std::min(bytes, kL2) - l1, rest = bytes - l2 - l1;
  return l1 * rate.l1_byte + l2 * rate.l2_byte + rest * (in_caches ? rate.l3_byte : kMemoryByte);
}

double overlap(double a, double b) { return std::max(a, b) + (1 - kOverlap) * std::min(a, b); }

// A counter and then the new h must reach the other core. Threads also do not arrive at the same moment.
double barrier_seconds() { return 1.25 * counter_round_trip() + 40e-9; }

}  // namespace

template <class T>
Cost cost(const PackedNetwork<T>& net, std::int64_t steps, std::int64_t rows, const Plan& plan) {
  const Spec& spec = net.spec;
  const Rates& rate = info(net.isa).rates;
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
  const auto recurrent = static_cast<double>(direction.step_weights() + direction.projection.size());

  // One step of one direction run, averaged over the layers.
  const double flop = rate.flop * sizeof(T) / sizeof(float) * share * static_cast<double>(share_rows);
  const double pre_activations = static_cast<double>(direction.input.padded_units()) * direction.input.num_gates;
  const double projecting = 2 * input * flop, stepping = (2 * recurrent + kFlopsPerActivation * pre_activations) * flop;
  const double step_weights = plan.fused ? input + recurrent : recurrent;
  const double bytes = step_weights * sizeof(T) * share, total_bytes = step_weights * sizeof(T);
  const double reading = passes * read_seconds(rate, bytes, total_bytes <= kL3);
  const double pre_activation_traffic =
      plan.fused ? 0 : 2 * pre_activations * share * static_cast<double>(share_rows) * sizeof(T) * rate.l2_byte;
  const double computed = plan.fused ? overlap(projecting + stepping, reading)
                                     : overlap(projecting, pre_activation_traffic) + overlap(stepping, reading);
  const double waiting = plan.hidden_parts > 1 ? net.barriers_per_step * barrier_seconds() : 0;

  Cost total;
  total.level = total_bytes > kL3 ? Limit::memory : bytes > kL2 ? Limit::l3 : bytes > kL1 ? Limit::l2 : Limit::l1;
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

template Cost cost<float>(const PackedNetwork<float>&, std::int64_t, std::int64_t, const Plan&);
template Cost cost<double>(const PackedNetwork<double>&, std::int64_t, std::int64_t, const Plan&);

}  // namespace gatecell
