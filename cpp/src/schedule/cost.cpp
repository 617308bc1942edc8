#include "schedule/cost.h"

#include <algorithm>
#include <cmath>

#include "schedule/team.h"

namespace gatecell {
namespace {

// Round figures of one core (Zen 5, and for NEON what a Neoverse N1 should do; others differ, but less in what they are
// to each other): seconds for a float32 operation, and for a byte from each cache.
struct Rates {
  double flop, l1_byte, l2_byte, l3_byte;
};
constexpr Rates kRates[] = {
    {1 / 42e9, 1 / 110e9, 1 / 80e9, 1 / 80e9},     // sse2
    {1 / 115e9, 1 / 230e9, 1 / 130e9, 1 / 95e9},   // avx2
    {1 / 230e9, 1 / 450e9, 1 / 190e9, 1 / 115e9},  // avx512
    {1 / 40e9, 1 / 80e9, 1 / 40e9, 1 / 20e9},      // neon
};

const Rates& rates(Isa isa) { return kRates[static_cast<int>(isa)]; }

constexpr double kMemoryByte = 1 / 30e9;  // beyond every cache
// Of caches of 48 KB, 1 MB and 32 MB, what weights that are read again and again find there.
constexpr double kL1 = 40 * 1024, kL2 = 768 * 1024, kL3 = 28e6;
constexpr double kOverlap = 0.7;            // of the shorter of computing and reading, what hides behind the longer
constexpr double kFlopsPerActivation = 40;  // a gate's activation, and its part of the new state
constexpr double kStepSeconds = 30e-9;      // a step's calls
constexpr double kLayerSeconds = 1e-6;      // two threads waiting for each other at a layer's end
constexpr double kTaskSeconds = 300e-9;     // a layer's chunk begins: its weights come from further away

double read_seconds(const Rates& rate, double bytes, bool in_caches) {
  const double l1 = std::min(bytes, kL1), l2 = std::min(bytes, kL2) - l1, rest = bytes - l2 - l1;
  return l1 * rate.l1_byte + l2 * rate.l2_byte + rest * (in_caches ? rate.l3_byte : kMemoryByte);
}

double together(double a, double b) { return std::max(a, b) + (1 - kOverlap) * std::min(a, b); }

// A flag's way to the other core and the new h's way back, and a little because nobody arrives at the same moment.
double meeting_seconds() { return 1.25 * flag_round_trip() + 40e-9; }

}  // namespace

template <class T>
Cost cost(const PackedNetwork<T>& net, std::int64_t steps, std::int64_t rows, const Plan& plan) {
  const Spec& spec = net.spec;
  const Rates& rate = rates(net.isa);
  const PackedDirection<T>& direction = net.directions.front();
  const auto chains = static_cast<double>(net.directions.size());
  double share = 1;  // of the hidden units, of the thread that has most
  if (plan.hidden_parts > 1) {
    const std::int64_t lines = hidden_lines(net);
    share = static_cast<double>((lines + plan.hidden_parts - 1) / plan.hidden_parts) / static_cast<double>(lines);
  }
  const std::int64_t part_rows = plan.row_parts == 1 ? rows : (rows - 1) / plan.row_parts + 1;
  const double passes = part_rows <= kGroupRows ? 1 : std::ceil(static_cast<double>(part_rows) / kGroupRows);
  const auto input = static_cast<double>(net.input_weights) / chains;
  const auto recurrent = static_cast<double>(direction.step_weights() + direction.projection.size());

  // One step of one direction of an average layer.
  const double flop = rate.flop * sizeof(T) / sizeof(float) * share * static_cast<double>(part_rows);
  const double gates = static_cast<double>(direction.input.padded_units()) * direction.input.gates;
  const double projecting = 2 * input * flop, stepping = (2 * recurrent + kFlopsPerActivation * gates) * flop;
  const double read_again = plan.fused ? input + recurrent : recurrent;
  const double bytes = read_again * sizeof(T) * share, all_bytes = read_again * sizeof(T);
  const double reading = passes * read_seconds(rate, bytes, all_bytes <= kL3);
  const double gate_traffic =
      plan.fused ? 0 : 2 * gates * share * static_cast<double>(part_rows) * sizeof(T) * rate.l2_byte;
  const double computed = plan.fused ? together(projecting + stepping, reading)
                                     : together(projecting, gate_traffic) + together(stepping, reading);
  const double meetings = spec.proj_size || spec.reset == Reset::before ? 2 : 1;
  const double meeting = plan.hidden_parts > 1 ? meetings * meeting_seconds() : 0;

  Cost total;
  total.level = all_bytes > kL3 ? Limit::memory : bytes > kL2 ? Limit::l3 : bytes > kL1 ? Limit::l2 : Limit::l1;
  double times = static_cast<double>(steps) * chains;
  if (plan.direction_parts > 1) {
    times /= plan.direction_parts;
    total.meeting += static_cast<double>(spec.num_layers) * kLayerSeconds;
  }
  if (plan.layer_parts > 1) {
    const double chunks = std::ceil(static_cast<double>(steps) / static_cast<double>(plan.chunk));
    const double tasks = chunks * chains, parts = plan.layer_parts;
    times *= (tasks + parts * (parts - 1)) / (tasks * parts);
    total.meeting += tasks / parts * meeting_seconds();
    total.calling += tasks / parts * kTaskSeconds;
  }
  total.computing += times * (projecting + stepping);
  total.reading += times * (reading + gate_traffic);
  total.seconds = times * (computed + meeting + passes * kStepSeconds) + total.meeting + total.calling;
  total.meeting += times * meeting;
  total.calling += times * passes * kStepSeconds;
  return total;
}

template Cost cost<float>(const PackedNetwork<float>&, std::int64_t, std::int64_t, const Plan&);
template Cost cost<double>(const PackedNetwork<double>&, std::int64_t, std::int64_t, const Plan&);

}  // namespace gatecell
