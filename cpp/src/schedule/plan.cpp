#include "schedule/plan.h"

#include <algorithm>
#include <chrono>

#include "schedule/cost.h"
#include "schedule/ragged.h"
#include "schedule/team.h"

namespace gatecell {
namespace {

constexpr double kStartSeconds = 1e-6;    // a worker that is awake takes its job and is waited for
constexpr double kWorthThreads = 100e-6;  // waking a sleeping worker costs up to 90 us
constexpr double kWorthAwake = 5e-6;
constexpr double kMeetingRisk = 1.03;  // threads that meet often are all held up when the system holds up one of them

std::int64_t divide_up(std::int64_t n, std::int64_t size) { return (n - 1) / size + 1; }  // n >= 1

// Layers apart: few steps, so that every thread soon has a layer to work on, but enough for full tiles of `project`.
constexpr std::int64_t kLayerChunk = 8;

// Rows go through time in even groups. Projected gates of one chunk and one group stay in the L2 cache until the steps
// have used them. Where the input weights are too large for it, a longer chunk reads them less often, and that counts
// for more. Chunks are even.
template <class T>
void choose_blocking(const PackedNetwork<T>& net, std::int64_t steps, std::int64_t rows, Plan& plan) {
  constexpr std::int64_t kGateBytes = 192 * 1024, kWeightBytesPerGateByte = 4, kFewest = 24;
  const std::int64_t part_rows = plan.row_parts == 1 ? rows : divide_up(rows, plan.row_parts);
  plan.group_rows = part_rows <= kGroupRows ? part_rows : divide_up(part_rows, divide_up(part_rows, kGroupRows));
  if (plan.layer_parts > 1) {
    plan.chunk = std::min(steps, kLayerChunk);
  } else if (steps > 1) {
    const PanelShape& shape = net.directions.front().input;
    const auto row_bytes = static_cast<std::int64_t>(sizeof(T)) * shape.padded_units() * shape.gates;
    const auto weight_bytes = static_cast<std::int64_t>(sizeof(T)) * shape.size();
    const std::int64_t gate_bytes = std::max(kGateBytes, weight_bytes / kWeightBytesPerGateByte);
    const std::int64_t most = std::max(gate_bytes / row_bytes, kFewest) / plan.group_rows;
    plan.chunk = divide_up(steps, divide_up(steps, std::max<std::int64_t>(most, 1)));
  }
}

// The kernel, the blocking and the prediction for these parts.
template <class T>
Plan complete(const PackedNetwork<T>& net, std::int64_t steps, std::int64_t rows, Plan plan) {
  choose_blocking(net, steps, rows, plan);
  plan.fused = choose_fused(net, steps, plan.group_rows, plan.hidden_parts);
  plan.seconds = cost(net, steps, rows, plan).seconds;
  return plan;
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
  const auto consider = [&](std::int64_t row_parts, int directions, std::int64_t hidden, std::int64_t layers) {
    Plan parts;
    parts.row_parts = static_cast<int>(row_parts);
    parts.direction_parts = directions;
    parts.hidden_parts = static_cast<int>(hidden);
    parts.layer_parts = static_cast<int>(layers);
    if (parts.threads() == 1) return;
    parts = complete(net, steps, rows, parts);
    parts.seconds += kStartSeconds;
    const bool meets_often = hidden > 1 || layers > 1;
    if (parts.seconds * (meets_often ? kMeetingRisk : 1) < best.seconds) best = parts;
  };
  for (int directions = 1; directions <= std::min<std::int64_t>(net.spec.directions(), threads); ++directions) {
    const std::int64_t each = threads / directions;
    for (std::int64_t hidden = 1; hidden <= std::min(each, hidden_lines(net)); ++hidden) {
      consider(std::min(each / hidden, rows), directions, hidden, 1);
    }
  }
  if (!net.spec.bidirectional && rows <= kGroupRows) consider(1, 1, 1, std::min(threads, net.spec.num_layers));
  return best;
}

}  // namespace

// Fused tiles save the way of the projected gates to the cache and back, 1 to 3 %, but every step reads W_ih as well:
// that pays where both matrices stay in the L2 cache, or many rows share what comes from the next one. One or two rows
// fill no tile, and gain more from steps projected together; but a single step has no other to be projected with.
template <class T>
bool choose_fused(const PackedNetwork<T>& net, std::int64_t steps, std::int64_t rows, int hidden_parts) {
  constexpr double kNearBytes = 768 * 1024, kSharedBytes = 20e6;
  constexpr std::int64_t kFewestRows = 3, kManyRows = 16;
  if (steps == 1) return true;
  if (rows < kFewestRows) return false;
  const auto bytes = static_cast<double>(net.input_weights + net.recurrent_weights) * sizeof(T) /
                     static_cast<double>(net.directions.size());
  return bytes / hidden_parts < kNearBytes || (rows >= kManyRows && bytes < kSharedBytes);
}

template <class T>
Plan make_plan(const PackedNetwork<T>& net, std::int64_t steps, std::int64_t rows, int num_threads) {
  if (steps < 1 || rows < 1) return {};
  const Plan alone = complete(net, steps, rows, {});
  if (num_threads < 2 || !worth_threads(alone.seconds)) return alone;
  const Plan plan = share(net, steps, rows, num_threads, alone);
  const int cpus = plan.threads() > 1 ? usable_cpus() : num_threads;  // asks the system: only when it matters
  return cpus < num_threads ? share(net, steps, rows, cpus, alone) : plan;
}

template <class T>
Plan make_plan(const PackedNetwork<T>& net, const Call<T>& call, int num_threads) {
  if (!call.lengths) return make_plan(net, call.steps, call.rows, num_threads);
  constexpr double kZeroByte = 1 / 10e9;
  const Extent e = extent(call);
  const bool padded = call.layout == Layout::padded;
  const double zeros = padded ? static_cast<double>((call.steps * call.rows - e.total) * net.spec.output_size()) : 0;
  const double padding_seconds = zeros * sizeof(T) * kZeroByte;
  if (e.total == 0) {
    Plan plan;
    plan.seconds = padding_seconds;
    return plan;
  }
  Plan plan = make_plan(net, e.longest, (e.total + e.longest / 2) / e.longest, num_threads);
  if (plan.layer_parts > 1 && call.rows > kGroupRows) {  // layers are apart only where all rows are one group
    plan = make_plan(net, e.longest, kGroupRows + 1, num_threads);
  }
  choose_blocking(net, e.longest, call.rows, plan);
  plan.seconds += padding_seconds;
  return plan;
}

template <class T>
Forecast forecast(const PackedNetwork<T>& net, std::int64_t steps, std::int64_t rows, const Plan& plan) {
  if (steps < 1 || rows < 1) return {};
  Forecast result;
  const Cost parts = cost(net, steps, rows, plan);
  const double most = std::max({parts.computing, parts.reading, parts.meeting, parts.calling});
  result.limit = most == parts.computing ? Limit::multiply_adds
                 : most == parts.reading ? parts.level
                 : most == parts.meeting ? Limit::meetings
                                         : Limit::calls;
  // Each thread's groups of rows read the recurrent weights every step, the input weights every step or chunk.
  std::int64_t passes = 0;
  for (int part = 0; part < plan.row_parts; ++part) {
    const std::int64_t first = first_row(rows, plan.row_parts, part), last = first_row(rows, plan.row_parts, part + 1);
    passes += divide_up(last - first, plan.group_rows);
  }
  const std::int64_t input_reads = plan.fused ? steps : divide_up(steps, plan.chunk);
  const double recurrent = static_cast<double>(net.recurrent_weights) * static_cast<double>(steps);
  const double input = static_cast<double>(net.input_weights) * static_cast<double>(input_reads);
  result.step_bytes = sizeof(T) * static_cast<double>(passes) * (recurrent + input) / static_cast<double>(steps);
  return result;
}

template Plan make_plan<float>(const PackedNetwork<float>&, std::int64_t, std::int64_t, int);
template Plan make_plan<double>(const PackedNetwork<double>&, std::int64_t, std::int64_t, int);
template Plan make_plan<float>(const PackedNetwork<float>&, const Call<float>&, int);
template Plan make_plan<double>(const PackedNetwork<double>&, const Call<double>&, int);
template bool choose_fused<float>(const PackedNetwork<float>&, std::int64_t, std::int64_t, int);
template bool choose_fused<double>(const PackedNetwork<double>&, std::int64_t, std::int64_t, int);
template Forecast forecast<float>(const PackedNetwork<float>&, std::int64_t, std::int64_t, const Plan&);
template Forecast forecast<double>(const PackedNetwork<double>&, std::int64_t, std::int64_t, const Plan&);

}  // namespace gatecell
