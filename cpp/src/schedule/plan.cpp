// A small explicit cost model. It need not be exact: it decides whether other threads are worth waking, which of two
// ways to share the work is cheaper, and whether a call is long enough to release Python's GIL.
//
//   time of a part = steps * sum over its layers and directions of
//                      rows * input products / rate
//                      + max(rows * recurrent products / rate, recurrent weights / bandwidth)
//                      + a little for the step itself
//                    + a meeting per layer where directions run apart
#include "schedule/plan.h"

#include <algorithm>

#include "schedule/team.h"

namespace gatecell {
namespace {

// Round figures of one core: float32 operations and bytes from the L2 cache per second.
struct Rates {
  double flops, bytes;
};

Rates rates(Isa isa) {
  switch (isa) {
    case Isa::avx512:
      return {100e9, 60e9};
    case Isa::avx2:
      return {60e9, 50e9};
    case Isa::sse2:
      break;
  }
  return {12e9, 40e9};
}

constexpr double kStepSeconds = 60e-9;    // a step's calls and activations
constexpr double kMeetingSeconds = 1e-6;  // two threads waiting for each other
constexpr double kWorthThreads = 100e-6;  // waking a sleeping worker costs up to 90 us

template <class T>
double predict(const PackedNetwork<T>& net, double steps, double rows, int row_parts, int direction_parts) {
  const Rates rate = rates(net.isa);
  const double flops = rate.flops * sizeof(float) / sizeof(T);
  const double part_rows = rows / row_parts;
  double seconds = 0;
  for (const PackedDirection<T>& d : net.directions) {
    const auto recurrent = static_cast<double>(d.recurrent.size() + d.projection.size());
    const double input_seconds = part_rows * 2 * static_cast<double>(d.input.size()) / flops;
    const double recurrent_seconds = std::max(part_rows * 2 * recurrent / flops, recurrent * sizeof(T) / rate.bytes);
    seconds += steps * (input_seconds + recurrent_seconds + kStepSeconds) / direction_parts;
  }
  return seconds + (direction_parts > 1 ? static_cast<double>(net.spec.num_layers) * kMeetingSeconds : 0);
}

// Projected gates of one chunk and one group of rows stay in the L2 cache until the steps have used them.
template <class T>
void choose_blocking(const PackedNetwork<T>& net, std::int64_t steps, std::int64_t rows, Plan& plan) {
  constexpr std::int64_t kGateBytes = 192 * 1024, kFewest = 24, kMost = 96, kGroup = 48;
  const PanelShape& shape = net.directions.front().input;
  const auto row_bytes = static_cast<std::int64_t>(sizeof(T)) * shape.padded_units() * shape.gates;
  const std::int64_t gate_rows = std::clamp(kGateBytes / row_bytes, kFewest, kMost);
  const auto parts = [](std::int64_t n, std::int64_t size) { return (n - 1) / size + 1; };  // rounded up, n >= 1
  const std::int64_t part_rows = parts(rows, plan.row_parts);
  plan.group_rows = parts(part_rows, parts(part_rows, kGroup));
  plan.chunk = std::clamp<std::int64_t>(gate_rows / plan.group_rows, 1, steps);
}

}  // namespace

template <class T>
Plan make_plan(const PackedNetwork<T>& net, std::int64_t steps, std::int64_t rows, int num_threads) {
  const auto t = static_cast<double>(steps), b = static_cast<double>(rows);
  Plan best;
  if (steps < 1 || rows < 1) return best;
  best.seconds = predict(net, t, b, 1, 1);
  if (num_threads > 1 && best.seconds > kWorthThreads) {
    const std::int64_t threads = std::min(num_threads, usable_cpus());
    for (int directions = 1; directions <= std::min<std::int64_t>(net.spec.directions(), threads); ++directions) {
      const auto row_parts = static_cast<int>(std::min(threads / directions, rows));
      const double seconds = predict(net, t, b, row_parts, directions);
      if (seconds < best.seconds) best = {row_parts, directions, 1, 1, seconds};
    }
  }
  choose_blocking(net, steps, rows, best);
  return best;
}

template Plan make_plan<float>(const PackedNetwork<float>&, std::int64_t, std::int64_t, int);
template Plan make_plan<double>(const PackedNetwork<double>&, std::int64_t, std::int64_t, int);

}  // namespace gatecell
