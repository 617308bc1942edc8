// Rows of different lengths. Each row has the same bits as alone, in every layout and for every plan. A call computes
// no step behind the end of a row.
#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <random>
#include <stdexcept>

#include "execution.h"
#include "pack/packed.h"
#include "problems.h"
#include "runtime/cpu_count.h"
#include "runtime/test_hooks.h"
#include "schedule/plan.h"
#include "schedule/ragged.h"
#include "schedule/timeline.h"

using namespace problems;
using gatecell::ExecutionStats;
using gatecell::Layout;
using gatecell::Plan;

namespace {

using Lengths = std::vector<std::int64_t>;

// While it exists, plans for up to 7 threads run unchanged on machines with fewer CPUs.
struct SevenCpus {
  SevenCpus() { gatecell::pretend_cpus(7); }
  ~SevenCpus() { gatecell::pretend_cpus(0); }
};

constexpr Layout layouts[] = {Layout::padded, Layout::packed, Layout::jagged};

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

// The position of (t, row) in a layout, in units of one row of features.
std::int64_t position(Layout layout, const Lengths& lengths, std::int64_t t, std::int64_t row) {
  const auto rows = static_cast<std::int64_t>(lengths.size());
  std::int64_t before = 0;
  switch (layout) {
    case Layout::padded:
      return t * rows + row;
    case Layout::packed:  // counts one by one, unlike the library
      for (std::int64_t step = 0; step < t; ++step) {
        before += std::count_if(lengths.begin(), lengths.end(), [&](std::int64_t length) { return length > step; });
      }
      return before + row;
    case Layout::jagged:
      return std::accumulate(lengths.begin(), lengths.begin() + row, std::int64_t{0}) + t;
  }
  return -1;
}

// Copies the steps that exist from a padded array to an array of another layout. In a padded layout, `filler` fills the
// steps that do not exist.
template <class T>
std::vector<T> in_layout(Layout layout, const Lengths& lengths, const std::vector<T>& padded, std::int64_t steps,
                         std::int64_t features, T filler) {
  const auto rows = static_cast<std::int64_t>(lengths.size());
  const std::int64_t total =
      layout == Layout::padded ? steps * rows : std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
  std::vector<T> result(at(total * features), filler);
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t t = 0; t < lengths[at(row)]; ++t) {
      std::copy_n(padded.begin() + (t * rows + row) * features, features,
                  result.begin() + position(layout, lengths, t, row) * features);
    }
  }
  return result;
}

// The results of one call per row, in the padded layout.
template <class T>
Output<T> one_by_one(const Network<T>& net, const Problem<T>& problem, const Lengths& lengths) {
  Output<T> all;
  const Spec& spec = problem.spec;
  const Call<T> shape = dense_call(problem, all);
  std::fill(all.y.begin(), all.y.end(), T(0));
  const std::int64_t direction_runs = spec.direction_runs();
  const auto store_row = [&](std::vector<T>& to, const std::vector<T>& from, std::int64_t outer, std::int64_t width,
                             std::int64_t row) {
    for (std::int64_t i = 0; i < outer && !from.empty(); ++i) {
      std::copy_n(from.begin() + i * width, width, to.begin() + (i * shape.rows + row) * width);
    }
  };
  for (std::int64_t row = 0; row < problem.rows; ++row) {
    auto alone = rows_of(problem, row, 1);
    alone.steps = lengths[at(row)];
    alone.x.resize(at(alone.steps * spec.input_size));
    const auto output = run(net, alone);
    store_row(all.y, output.y, alone.steps, spec.output_size(), row);
    store_row(all.h_n, output.h_n, direction_runs, spec.state_size(), row);
    store_row(all.c_n, output.c_n, direction_runs, spec.hidden_size, row);
  }
  return all;
}

// The results of one call for all rows. x is NaN where the call must not read it. y is infinite before the call.
template <class T, class How>
Output<T> in_one_call(const Network<T>& net, const Problem<T>& problem, const Lengths& lengths, Layout layout,
                      const How& how) {
  Output<T> output;
  const Spec& spec = problem.spec;
  Call<T> call = dense_call(problem, output);
  const auto x =
      in_layout(layout, lengths, problem.x, problem.steps, spec.input_size, std::numeric_limits<T>::quiet_NaN());
  output.y =
      in_layout(layout, lengths, output.y, problem.steps, spec.output_size(), std::numeric_limits<T>::infinity());
  call.x = x.data();
  call.y = output.y.data();
  constexpr std::int64_t unused = 12345;
  if (layout == Layout::packed) {
    call.x_step = call.y_step = unused;
  } else if (layout == Layout::jagged) {
    call.x_step = spec.input_size;
    call.y_step = spec.output_size();
    call.x_row = call.y_row = unused;
  }
  call.lengths = lengths.data();
  call.layout = layout;
  net.forward(call, how);
  return output;
}

template <class T>
void check(const Network<T>& net, const Problem<T>& problem, const Lengths& lengths, const std::vector<Plan>& plans) {
  CAPTURE(describe(problem));
  CAPTURE(describe(net.isa()));
  for (const Layout layout : layouts) {
    Lengths in_order = lengths;
    if (layout == Layout::packed) std::sort(in_order.begin(), in_order.end(), std::greater<>());
    Output<T> expected = one_by_one(net, problem, in_order);
    expected.y = in_layout(layout, in_order, expected.y, problem.steps, problem.spec.output_size(), T(0));
    for (const int threads : {1, 2}) {
      CHECK(same_bits(in_one_call(net, problem, in_order, layout, threads), expected));
    }
    for (const Plan& plan : plans) {
      CAPTURE(plan.row_parts);
      CAPTURE(plan.hidden_parts);
      CAPTURE(plan.layer_parts);
      CAPTURE(plan.direction_parts);
      CHECK(same_bits(in_one_call(net, problem, in_order, layout, plan), expected));
    }
  }
}

std::vector<Plan> plans_for(const Spec& spec, std::int64_t rows) {
  // Splits of rows, directions, layers, hidden units; chunk, group_rows, fused.
  std::vector<Plan> plans = {{1, 1, 1, 1, 3, rows}, {1, 1, 1, 1, 1, 2, true}};
  if (rows > 2) plans.push_back({3, 1, 1, 1, 2, 2});
  if (rows > 1) plans.push_back({2, 1, 1, 2, 2, rows, true});
  plans.push_back({1, 1, 1, 2, 4, rows});
  if (spec.bidirectional) plans.push_back({1, 2, 1, 1, 2, rows});
  if (!spec.bidirectional && spec.num_layers > 1) plans.push_back({1, 1, 2, 1, 2, rows, true});
  return plans;
}

}  // namespace

TEST_CASE_TEMPLATE("rows of any lengths have the same bits as alone", T, float, double) {
  const SevenCpus cpus;
  constexpr std::int64_t steps = 9;
  const std::vector<Lengths> patterns = {
      {3, 9, 0, 1, 9, 5, 2, 5, 0, 7, 4}, {0, 0, 4}, {5}, {0}, {9, 9, 9}, {4, 4}, {0, 0}, {1, 2, 3, 4, 5}};
  for (const Isa isa : gatecell::available_isas()) {
    for (const Spec& spec : varied_specs()) {
      const auto full = random_problem<T>(spec, steps, 11);
      const auto net = network(full, isa);
      for (const Lengths& lengths : patterns) {
        const auto rows = static_cast<std::int64_t>(lengths.size());
        check(net, rows_of(full, 0, rows), lengths, plans_for(spec, rows));
      }
    }
  }
}

TEST_CASE_TEMPLATE("several groups of rows and several chunks have the same bits as single rows", T, float, double) {
  const SevenCpus cpus;
  std::mt19937 engine(1);
  Lengths lengths(110);
  for (std::int64_t& length : lengths)
    length = std::uniform_int_distribution<std::int64_t>(0, 60 / work_divisor)(engine);
  for (Spec spec : {parse_spec("gru I=3 H=24 L=3"), parse_spec("lstm I=3 H=17 L=2 P=5 bidirectional")}) {
    const auto problem = random_problem<T>(spec, 60 / work_divisor, 110);
    check(network(problem, gatecell::available_isas().front()), problem, lengths, plans_for(spec, 110));
  }
}

TEST_CASE_TEMPLATE("state_rows: the state is in some rows of larger arrays, and is updated in place", T, float,
                   double) {
  const Lengths lengths = {3, 0, 5, 5, 1}, index = {7, 2, 0, 8, 3};
  constexpr std::int64_t state_capacity = 9, rows = 5;
  for (const Isa isa : gatecell::available_isas()) {
    for (const Spec& spec : varied_specs()) {
      const auto problem = random_problem<T>(spec, 5, rows), store = random_problem<T>(spec, 1, state_capacity, {}, 3);
      const std::int64_t direction_runs = spec.direction_runs();
      const auto net = network(problem, isa);
      for (const bool ragged : {false, true}) {
        CAPTURE(describe(problem));
        auto mine = problem;
        auto expected_h = store.h_0, expected_c = store.c_0;
        // Calls f(own, all, i, j, features) for h and, with an LSTM, c. State row i of `own` is state row j of `all`.
        const auto each = [&](auto&& f) {
          for (std::int64_t i = 0; i < direction_runs * rows; ++i) {
            const std::int64_t j = i / rows * state_capacity + index[at(i % rows)];
            f(mine.h_0, expected_h, i, j, spec.state_size());
            if (spec.cell == Cell::lstm) f(mine.c_0, expected_c, i, j, spec.hidden_size);
          }
        };
        each([](auto& own, auto& all, std::int64_t i, std::int64_t j, std::int64_t size) {
          std::copy_n(all.begin() + j * size, size, own.begin() + i * size);
        });
        Output<T> expected = one_by_one(net, mine, ragged ? lengths : Lengths(rows, 5));
        mine.h_0 = expected.h_n;
        mine.c_0 = expected.c_n;
        each([](auto& own, auto& all, std::int64_t i, std::int64_t j, std::int64_t size) {
          std::copy_n(own.begin() + i * size, size, all.begin() + j * size);
        });
        for (const Plan& plan : plans_for(spec, rows)) {
          Output<T> output;
          auto h = store.h_0, c = store.c_0;
          Call<T> call = dense_call(problem, output);
          call.h_0 = call.h_n = h.data();
          call.c_0 = call.c_n = c.empty() ? nullptr : c.data();
          call.lengths = ragged ? lengths.data() : nullptr;
          call.state_rows = index.data();
          call.state_capacity = state_capacity;
          net.forward(call, plan);
          CHECK(same_bits(output.y, expected.y));
          CHECK(same_bits(h, expected_h));
          CHECK(same_bits(c, expected_c));
        }
      }
    }
  }
}

TEST_CASE("a call computes no step behind the end of a row") {
  const Lengths lengths = {30, 3, 17, 0, 30, 8};
  const Spec spec = parse_spec("lstm I=9 H=40 L=2 bidirectional");
  const auto problem = random_problem<float>(spec, 30, 6);
  const gatecell::PackedNetwork<float> net(spec, reference::views(problem), gatecell::available_isas().front());
  Output<float> output;
  Call<float> call = dense_call(problem, output);
  call.lengths = lengths.data();
  for (const Plan& plan : {gatecell::make_plan(net, call, gatecell::extent(call), 1), Plan{1, 1, 1, 1, 4, 4}}) {
    ExecutionStats stats;
    execute(net, call, plan, &stats);
    CHECK(stats.row_steps == 2 * 2 * (30 + 3 + 17 + 0 + 30 + 8));
    CHECK(stats.fused_steps + stats.projected_steps >= 2 * 2 * 30);
  }
}

TEST_CASE("a call without steps copies the state, also with state_rows") {
  const Lengths index = {2, 0};
  const auto problem = random_problem<float>("lstm I=5 H=19 L=2", 4, 2);
  const auto store = random_problem<float>(problem.spec, 1, 3);
  const auto net = network(problem, gatecell::available_isas().front());
  const std::int64_t none[] = {0, 0};
  for (const bool padding_only : {false, true}) {
    Output<float> output;
    Call<float> call = dense_call(problem, output);
    std::vector<float> h(store.h_0.size(), 7), c(store.c_0.size(), 7);
    call.steps = padding_only ? 4 : 0;
    call.lengths = padding_only ? none : nullptr;
    call.h_0 = store.h_0.data();
    call.c_0 = store.c_0.data();
    call.h_n = h.data();
    call.c_n = c.data();
    call.state_rows = index.data();
    call.state_capacity = 3;
    net.forward(call, 1);
    for (std::size_t i = 0; i < h.size(); ++i) {
      const bool is_named = i / 19 % 3 != 1;
      CHECK(h[i] == (is_named ? store.h_0[i] : 7));
      CHECK(c[i] == (is_named ? store.c_0[i] : 7));
    }
    const auto zero = [](float y) { return y == 0; };
    CHECK(std::all_of(output.y.begin(), output.y.end(), zero) == padding_only);
  }
}

TEST_CASE("all shares get about the same number of steps") {
  const Lengths lengths = {3, 90, 0, 17, 90, 41, 2, 66, 90, 5, 5};
  Call<float> call;
  call.rows = 11;
  call.steps = 100;
  call.lengths = lengths.data();
  for (const int shares : {1, 2, 3, 11}) {
    const gatecell::Ragged ragged(call, 90, shares);
    Lengths seen;
    std::int64_t least = 1000, most = 0;
    for (int share = 0; share < shares; ++share) {
      std::int64_t steps = 0;
      const std::int64_t first = gatecell::first_row(11, shares, share),
                         last = gatecell::first_row(11, shares, share + 1);
      for (std::int64_t place = first; place < last; ++place) {
        CHECK(ragged.length(place) == lengths[at(ragged.row(place))]);
        if (place > first) CHECK(ragged.length(place) <= ragged.length(place - 1));
        steps += ragged.length(place);
        seen.push_back(ragged.row(place));
      }
      least = std::min(least, steps);
      most = std::max(most, steps);
    }
    CHECK(most - least <= 90);  // the length of one row
    std::sort(seen.begin(), seen.end());
    for (std::int64_t row = 0; row < 11; ++row) CHECK(seen[at(row)] == row);
  }
}

TEST_CASE("as rows end, a chunk takes more steps, and every chunk but the last is full") {
  const Lengths lengths = {30, 3, 17, 0, 30, 8};
  Call<float> call;
  call.rows = 6;
  call.steps = 30;
  call.lengths = lengths.data();
  const gatecell::Ragged ragged(call, 30, 1);
  std::ptrdiff_t offsets[31], chunk_starts[31];
  const gatecell::Timeline time(ragged, 0, 6, 2, offsets, chunk_starts);
  CHECK(time.steps() == 30);
  const auto row_steps = [&](std::ptrdiff_t first, std::ptrdiff_t last) {
    std::ptrdiff_t sum = 0;
    for (const std::int64_t length : lengths) sum += std::clamp<std::ptrdiff_t>(length - first, 0, last - first);
    return sum;
  };
  CHECK(time.chunk_start(0) == 0);
  CHECK(time.chunk_start(time.chunks()) == 30);
  for (std::ptrdiff_t i = 0; i < time.chunks(); ++i) {
    CHECK(row_steps(time.chunk_start(i), time.chunk_start(i + 1)) <= 2 * 6);
    if (i + 1 < time.chunks()) CHECK(row_steps(time.chunk_start(i), time.chunk_start(i + 1) + 1) > 2 * 6);
  }
  for (std::ptrdiff_t t = 0; t < 30; ++t) CHECK(time.active_rows(t) == row_steps(t, t + 1));
}

TEST_CASE("whether a chunk is fused depends on the rows that are left") {
  const Spec spec =
      parse_spec("lstm I=600 H=200");  // the weights are larger than the L2 cache: 20 rows are fused, 4 projected
  const auto problem = random_problem<float>(spec, 40, 20);
  const gatecell::PackedNetwork<float> net(spec, reference::views(problem), gatecell::available_isas().front());
  Lengths lengths(20, 10);
  std::fill_n(lengths.begin(), 4, 40);
  Output<float> output;
  Call<float> call = dense_call(problem, output);
  call.lengths = lengths.data();
  ExecutionStats stats;
  execute(net, call, Plan{1, 1, 1, 1, 1, 20}, &stats);
  CHECK(stats.fused_steps == 10);
  CHECK(stats.projected_steps == 30);
  CHECK(stats.most_rows == 20);
  CHECK(stats.tasks == 10 + 30 / 5);
}

TEST_CASE("a plan suits the average number of active rows") {
  const Spec stacked = parse_spec("gru I=48 H=48 L=5");
  const auto problem = random_problem<float>(stacked, 500, 60);
  const gatecell::PackedNetwork<float> net(stacked, reference::views(problem), gatecell::available_isas().front());
  Output<float> output;
  Call<float> call = dense_call(problem, output);
  Lengths lengths(60, 1);
  lengths[5] = 500;
  call.lengths = lengths.data();
  const Plan alone = gatecell::make_plan(net, call, gatecell::extent(call), 1);
  CHECK(alone.seconds < 0.1 * gatecell::make_plan(net, 500, 60, 1).seconds);
  CHECK(alone.group_rows == 30);
  gatecell::pretend_cpus(7);
  CHECK(gatecell::make_plan(net, call, gatecell::extent(call), 5).layer_parts ==
        1);  // layers can only be split if there is one group of rows
  gatecell::pretend_cpus(0);
}

TEST_CASE("lengths and state rows that are not valid") {
  const auto problem = random_problem<float>("gru I=5 H=19", 4, 2);
  const auto net = network(problem, gatecell::available_isas().front());
  Output<float> output;
  const auto with_lengths = [&](Layout layout, const Lengths& lengths) {
    Call<float> call = dense_call(problem, output);
    call.layout = layout;
    call.lengths = lengths.data();
    net.forward(call, 1);
  };
  for (const Layout layout : layouts) {
    CHECK_THROWS_WITH_AS(with_lengths(layout, {5, 1}), "expected lengths from 0 to 4, got 5 in row 0",
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(with_lengths(layout, {4, -1}), "expected lengths from 0 to 4, got -1 in row 1",
                         std::invalid_argument);
    CHECK_NOTHROW(with_lengths(layout, {4, 0}));
  }
  CHECK_THROWS_WITH_AS(with_lengths(Layout::packed, {1, 4}),
                       "expected packed lengths that never grow, got 4 in row 1 after 1", std::invalid_argument);
  const auto with_states = [&](const Lengths& index) {
    Call<float> call = dense_call(problem, output);
    call.state_rows = index.data();
    call.state_capacity = 2;
    net.forward(call, 1);
  };
  CHECK_THROWS_WITH_AS(with_states({0, 2}), "expected state_rows from 0 to 1, got 2 in row 1", std::invalid_argument);
  CHECK_THROWS_WITH_AS(with_states({-1, 0}), "expected state_rows from 0 to 1, got -1 in row 0", std::invalid_argument);
}

TEST_CASE("a call with null pointers or negative sizes") {
  const auto problem = random_problem<float>("gru I=5 H=19", 4, 2);
  const auto net = network(problem, gatecell::available_isas().front());
  Output<float> output;
  const Call<float> whole = dense_call(problem, output);
  const auto expect_error = [&](auto member, auto value, const char* message) {
    Call<float> call = whole;
    call.*member = value;
    CHECK_THROWS_WITH_AS(net.forward(call, 1), message, std::invalid_argument);
  };
  expect_error(&Call<float>::x, nullptr, "expected x, y and h_n, got null for x");
  expect_error(&Call<float>::y, nullptr, "expected x, y and h_n, got null for y");
  expect_error(&Call<float>::h_n, nullptr, "expected x, y and h_n, got null for h_n");
  expect_error(&Call<float>::steps, -1, "expected steps and rows of at least 0, got -1 and 2");
  expect_error(&Call<float>::rows, -3, "expected steps and rows of at least 0, got 4 and -3");
}
