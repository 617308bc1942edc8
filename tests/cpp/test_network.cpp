// Parity (promise 1): compares every cell and option, at unusual sizes, with the float64 reference, on every ISA of
// this machine.
#include <doctest/doctest.h>

#include <limits>
#include <stdexcept>

#include "golden.h"
#include "problems.h"
#include "runtime/cpu_count.h"
#include "runtime/test_hooks.h"

using namespace problems;

namespace {

template <class T>
void check_parity(const Problem<T>& problem) {
  CAPTURE(describe(problem));
  const Output<double> exact = reference::forward<double>(problem);
  const double own_error = largest_difference(reference::forward<float>(problem), exact);
  // A larger error means that the network is chaotic, and a comparison has no meaning.
  REQUIRE(own_error < 1e-4 * magnitude(exact));
  for (const Isa isa : gatecell::available_isas()) {
    CAPTURE(describe(isa));
    const Network<T> net = network(problem, isa);
    CHECK(net.isa() == isa);
    CHECK(error_ratio(run(net, problem), exact, own_error) <= 1);
  }
}

// Every cell with these words, and an LSTM with a projection.
std::vector<Spec> every_cell_and_projection(const std::string& words) {
  std::vector<Spec> specs = every_cell(words);
  specs.push_back(parse_spec("lstm P=7 " + words));
  return specs;
}

}  // namespace

TEST_CASE_TEMPLATE("parity of every cell and every option", T, float, double) {
  for (Spec spec : every_cell_and_projection("I=5 H=19")) {
    for (spec.num_layers = 1; spec.num_layers <= 3; ++spec.num_layers) {
      for (const bool bidirectional : {false, true}) {
        for (const bool bias : {false, true}) {
          spec.bidirectional = bidirectional;
          spec.bias = bias;
          check_parity(random_problem<T>(spec, 6, 3));
          check_parity(random_problem<T>(spec, spec.cell == Cell::rnn_relu ? 2 : 5, 2, Scale::large));
          check_parity(random_problem<T>(spec, 6, 4, Scale::saturated));
        }
      }
    }
  }
}

TEST_CASE_TEMPLATE("parity of extended cells", T, float, double) {
  for (Spec spec : extended_specs("I=5 H=8 L=2")) {
    for (const std::int64_t hidden : {8, 9, 17, 40}) {
      for (const bool bidirectional : {false, true}) {
        for (const bool bias : {false, true}) {
          spec.hidden_size = hidden;
          spec.bidirectional = bidirectional;
          spec.bias = bias;
          check_parity(random_problem<T>(spec, 6, 3));
          check_parity(random_problem<T>(spec, 5, 9, Scale::large));
          check_parity(random_problem<T>(spec, 6, 4, Scale::saturated));
        }
      }
    }
  }
}

TEST_CASE_TEMPLATE("parity at sizes around the width of a register", T, float, double) {
  for (const Isa isa : gatecell::available_isas()) {
    const std::int64_t w = lanes<T>(isa);
    const std::int64_t sizes[] = {1, w - 1, w, w + 1, 2 * w + 1, 4 * w - 1};
    const std::int64_t steps[] = {1, 2, 7, 3, 11};
    std::size_t count = 0;
    for (const Spec& plain : every_cell("")) {
      for (const std::int64_t input : sizes) {
        for (const std::int64_t hidden : sizes) {
          ++count;
          const auto rows = static_cast<std::int64_t>(1 + count % 13);  // every split of the rows into tiles
          Spec spec = plain;
          spec.input_size = input;
          spec.hidden_size = hidden;
          spec.bidirectional = count % 2 == 0;
          check_parity(random_problem<T>(spec, steps[count % 5], rows));
          if (spec.cell != Cell::lstm || hidden == 1) continue;
          spec.num_layers = 2;
          spec.proj_size = std::min(input, hidden - 1);
          check_parity(random_problem<T>(spec, steps[count % 5], rows));
        }
      }
    }
  }
}

TEST_CASE_TEMPLATE("parity with every number of rows, long sequences and wide layers", T, float, double) {
  for (const Spec& spec : every_cell("I=3 H=17")) {
    for (std::int64_t rows = 1; rows <= 33; ++rows) check_parity(random_problem<T>(spec, 3, rows));
  }
  for (const Spec& spec : every_cell("I=2 H=9 L=2 bidirectional")) check_parity(random_problem<T>(spec, 300, 2));
  for (const Spec& spec : every_cell("I=150 H=130")) check_parity(random_problem<T>(spec, 4, 7));
}

TEST_CASE_TEMPLATE("parity with recorded PyTorch networks", T, float, double) {
  std::size_t runs = 0;
  for (const auto& path : golden::files()) {
    CAPTURE(path.filename());
    const auto golden = golden::read(path);
    if ((golden.options.at("dtype") == "float64") != (sizeof(T) == 8)) continue;
    const auto exact = golden::output(golden, "");
    const double own_error = largest_difference(golden::output(golden, "_float32"), exact);
    const auto problem = golden::problem<T>(golden);
    for (const Isa isa : gatecell::available_isas()) {
      CAPTURE(describe(isa));
      CHECK(error_ratio(run(network(problem, isa), problem), exact, own_error) <= 1);
      ++runs;
    }
  }
  CHECK(runs >= 4);
}

TEST_CASE_TEMPLATE("a call without a state begins with zeros", T, float, double) {
  for (const Spec& spec : every_cell("I=4 H=11 L=2 bidirectional")) {
    auto problem = random_problem<T>(spec, 5, 3);
    auto zeros = problem;
    problem.h_0.clear();
    problem.c_0.clear();
    check_parity(problem);
    std::fill(zeros.h_0.begin(), zeros.h_0.end(), T(0));
    std::fill(zeros.c_0.begin(), zeros.c_0.end(), T(0));
    for (const Isa isa : gatecell::available_isas()) {
      CHECK(same_bits(run(network(problem, isa), problem), run(network(zeros, isa), zeros)));
    }
  }
}

TEST_CASE_TEMPLATE("NaN and infinity change only their own row, as in the reference", T, float, double) {
  for (const Spec& spec : every_cell_and_projection("I=5 H=19 L=2")) {
    auto problem = random_problem<T>(spec, 4, 9);
    const auto x = [&](std::size_t t, std::size_t row) -> T& { return problem.x[(t * 9 + row) * 5 + 2]; };
    x(1, 0) = x(0, 4) = x(3, 8) = std::numeric_limits<T>::quiet_NaN();
    x(0, 2) = std::numeric_limits<T>::infinity();
    x(2, 5) = -std::numeric_limits<T>::infinity();
    const auto exact = reference::forward<double>(problem);
    for (const Isa isa : gatecell::available_isas()) {
      CAPTURE(describe(problem));
      CAPTURE(describe(isa));
      CHECK(error_ratio(run(network(problem, isa), problem), exact, 1e-6) <= 1);
    }
  }
}

TEST_CASE("a call never packs") {
  const auto problem = random_problem<float>("gru I=4 H=11 L=2 bidirectional", 5, 3);
  const std::int64_t before = gatecell::pack_count();
  const auto net = network(problem, gatecell::available_isas().front());
  const std::int64_t loaded = gatecell::pack_count();
  CHECK(loaded > before);
  for (int threads : {1, 2}) run(net, problem, threads);
  CHECK(gatecell::pack_count() == loaded);
}

TEST_CASE("threads split the work for networks of every size") {
  const int two = std::min(2, gatecell::usable_cpus());
  for (const std::int64_t hidden : {1, 8, 15, 16, 24, 100}) {
    CAPTURE(hidden);
    const std::string sizes = "lstm I=8 H=" + std::to_string(hidden);
    const auto one_direction = random_problem<float>(sizes, 1, 1);
    CHECK(network(one_direction, gatecell::available_isas().front()).plan(3000, 512, 2).row_parts == two);
    const auto two_directions = random_problem<float>(sizes + " bidirectional", 1, 1);
    CHECK(network(two_directions, gatecell::available_isas().front()).plan(30000, 1, 2).threads() == two);
  }
}

TEST_CASE("a plan with wrong splits is an error; too large chunks and groups are not") {
  const auto problem = random_problem<float>("gru I=5 H=19 L=2", 7, 3);
  const auto net = network(problem, gatecell::available_isas().front());
  using gatecell::Plan;
  for (const Plan& plan : {Plan{0, 1, 1, 1, 4, 2}, Plan{4, 1, 1, 1, 4, 2}, Plan{1, 0, 1, 1, 4, 2},
                           Plan{1, 2, 1, 1, 4, 2}, Plan{1, 1, 1, 0, 4, 2}, Plan{1, 1, 1, 20, 4, 2},
                           Plan{1, 1, 1, 1, 0, 2}, Plan{1, 1, 1, 1, 4, 0}, Plan{-1, -1, 1, 1, 4, 2}}) {
    CHECK_THROWS_WITH_AS(run(net, problem, plan), doctest::Contains("expected a plan for this network and B=3, got "),
                         std::invalid_argument);
  }
  const std::int64_t huge = std::int64_t{1} << 60;
  CHECK(same_bits(run(net, problem, Plan{1, 1, 1, 1, huge, huge}), run(net, problem)));
  CHECK(same_bits(run(net, problem, Plan{3, 1, 1, 5, 4, 1}), run(net, problem)));
}
