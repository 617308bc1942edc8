// A small explicit cost model. It need not be exact: it decides whether other threads are worth waking, which of two
// ways to share the work is cheaper, and whether a call is long enough to release Python's GIL.
//
//   time of a part = steps * sum over its layers and directions of
//                      rows * its share of the input products / rate
//                      + the longer, and some of the shorter, of
//                          rows * its share of the recurrent products / rate, its share of the weights / bandwidth
//                      + a little for the step itself, and meetings where hidden units are apart
//                    + a meeting per layer where directions run apart
#include "schedule/plan.h"

#include <algorithm>
#include <chrono>

#include "schedule/team.h"

namespace gatecell {
namespace {

// Round figures of one core (Zen 5; others differ, but less in what they are to each other): float32 operations, and
// bytes from the L2 and the L3 cache per second.
struct Rates {
  double flops, near_bytes, far_bytes;
};

Rates rates(Isa isa) {
  switch (isa) {
    case Isa::avx512:
      return {230e9, 190e9, 115e9};
    case Isa::avx2:
      return {115e9, 130e9, 95e9};
    case Isa::sse2:
      break;
  }
  return {42e9, 80e9, 80e9};
}

constexpr double kNear = 768 * 1024;      // of an L2 cache of 1 MB, what weights read again and again find there
constexpr double kOverlap = 0.7;          // of the shorter of computing and reading, what hides behind the longer
constexpr double kStepSeconds = 60e-9;    // a step's calls and activations
constexpr double kLayerSeconds = 1e-6;    // two threads waiting for each other at a layer's end
constexpr double kStartSeconds = 1e-6;    // a worker that is awake takes its job and is waited for
constexpr double kWorthThreads = 100e-6;  // waking a sleeping worker costs up to 90 us
constexpr double kWorthAwake = 5e-6;

double read_seconds(const Rates& rate, double bytes) {
  const double near = std::min(bytes, kNear);
  return near / rate.near_bytes + (bytes - near) / rate.far_bytes;
}

// The flag's way there and back, and as much again because nobody arrives at the same moment.
double meeting_seconds() { return 2 * flag_round_trip() + 100e-9; }

struct Parts {
  int rows, directions, hidden;
};

// Hidden units are shared in whole cache lines of h.
template <class T>
std::int64_t hidden_lines(const PackedNetwork<T>& net) {
  constexpr auto line = static_cast<std::int64_t>(kCacheLine / sizeof(T));
  return (net.spec.hidden_size + line - 1) / line;
}

template <class T>
double predict(const PackedNetwork<T>& net, double steps, double rows, Parts parts) {
  const Rates rate = rates(net.isa);
  const std::int64_t lines = hidden_lines(net), most_lines = (lines + parts.hidden - 1) / parts.hidden;
  const double share = static_cast<double>(most_lines) / static_cast<double>(lines);  // of the thread that has most
  const double flops = rate.flops * sizeof(float) / sizeof(T) / share, part_rows = rows / parts.rows;
  const double meetings = net.spec.proj_size ? 2 : 1;
  const double step_seconds = kStepSeconds + (parts.hidden > 1 ? meetings * meeting_seconds() : 0);
  double seconds = 0;
  for (const PackedDirection<T>& d : net.directions) {
    const auto recurrent = static_cast<double>(d.recurrent.size() + d.projection.size());
    const double input = part_rows * 2 * static_cast<double>(d.input.size()) / flops;
    const double computing = part_rows * 2 * recurrent / flops;
    const double reading = read_seconds(rate, recurrent * sizeof(T) * share);
    const auto [shorter, longer] = std::minmax(computing, reading);
    seconds += steps * (input + longer + (1 - kOverlap) * shorter + step_seconds) / parts.directions;
  }
  return seconds + (parts.directions > 1 ? static_cast<double>(net.spec.num_layers) * kLayerSeconds : 0);
}

// Projected gates of one chunk and one group of rows stay in the L2 cache until the steps have used them. Where the
// input weights are too large for it, a longer chunk reads them less often, and that counts for more. Chunks are even.
template <class T>
void choose_blocking(const PackedNetwork<T>& net, std::int64_t steps, std::int64_t rows, Plan& plan) {
  constexpr std::int64_t kGateBytes = 192 * 1024, kWeightBytesPerGateByte = 4, kFewest = 24, kGroup = 48;
  const PanelShape& shape = net.directions.front().input;
  const auto row_bytes = static_cast<std::int64_t>(sizeof(T)) * shape.padded_units() * shape.gates;
  const auto weight_bytes = static_cast<std::int64_t>(sizeof(T)) * shape.size();
  const std::int64_t gate_bytes = std::max(kGateBytes, weight_bytes / kWeightBytesPerGateByte);
  const auto parts = [](std::int64_t n, std::int64_t size) { return (n - 1) / size + 1; };  // rounded up, n >= 1
  const std::int64_t part_rows = parts(rows, plan.row_parts);
  plan.group_rows = parts(part_rows, parts(part_rows, kGroup));
  const std::int64_t most = std::max(gate_bytes / row_bytes, kFewest) / plan.group_rows;
  plan.chunk = parts(steps, parts(steps, std::max<std::int64_t>(most, 1)));
}

// Waking a worker does not pay for one short call, but for many that come one right after the other, since it stays
// awake between them. Counts the time that such calls of this thread have filled.
bool in_a_loop(double seconds) {
  using Clock = std::chrono::steady_clock;
  constexpr double kGap = 20e-6, kLong = 500e-6;  // a worker falls asleep after 30 us
  thread_local Clock::time_point last;
  thread_local double last_seconds = 0, filled = 0;
  const Clock::time_point now = Clock::now();
  const double since = std::chrono::duration<double>(now - last).count();
  filled = since < 2 * last_seconds + kGap ? filled + last_seconds : 0;
  last = now;
  last_seconds = seconds;
  return filled > kLong;
}

bool worth_threads(double seconds) {
  return seconds > kWorthThreads || (seconds > kWorthAwake && (in_a_loop(seconds) || team_is_awake()));
}

// The fastest way to share the work among at most `threads` threads, or `best` if that is not slower.
template <class T>
Plan share(const PackedNetwork<T>& net, std::int64_t steps, std::int64_t rows, std::int64_t threads, Plan best) {
  for (int directions = 1; directions <= std::min<std::int64_t>(net.spec.directions(), threads); ++directions) {
    const std::int64_t each = threads / directions;
    for (int hidden = 1; hidden <= std::min(each, hidden_lines(net)); ++hidden) {
      const auto row_parts = static_cast<int>(std::min(each / hidden, rows));
      if (row_parts * directions * hidden == 1) continue;
      const double seconds = kStartSeconds + predict(net, static_cast<double>(steps), static_cast<double>(rows),
                                                     {row_parts, directions, hidden});
      if (seconds < best.seconds) best = {row_parts, directions, hidden, 1, 1, seconds};
    }
  }
  return best;
}

}  // namespace

template <class T>
Plan make_plan(const PackedNetwork<T>& net, std::int64_t steps, std::int64_t rows, int num_threads) {
  if (steps < 1 || rows < 1) return {};
  Plan plan;
  plan.seconds = predict(net, static_cast<double>(steps), static_cast<double>(rows), {1, 1, 1});
  if (num_threads > 1 && worth_threads(plan.seconds)) {
    const Plan alone = plan;
    plan = share(net, steps, rows, num_threads, alone);
    const int cpus = plan.threads() > 1 ? usable_cpus() : num_threads;  // asks the system: only when it matters
    if (cpus < num_threads) plan = share(net, steps, rows, cpus, alone);
  }
  choose_blocking(net, steps, rows, plan);
  return plan;
}

template Plan make_plan<float>(const PackedNetwork<float>&, std::int64_t, std::int64_t, int);
template Plan make_plan<double>(const PackedNetwork<double>&, std::int64_t, std::int64_t, int);

}  // namespace gatecell
