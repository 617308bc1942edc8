// Which networks are valid: validate(), the checks of the constructor, names of ISAs.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include "problems.h"
#include "runtime/dispatch.h"

using namespace problems;

TEST_CASE("sizes below 1, a wrong proj_size and sizes that overflow are errors") {
  constexpr std::int64_t huge = std::numeric_limits<std::int64_t>::max();
  CHECK_NOTHROW(gatecell::validate(Spec{Cell::lstm, 1, 2, 1, true, true, 1}));
  const auto expect_error = [](const Spec& spec, const char* message) {
    CHECK_THROWS_WITH_AS(gatecell::validate(spec), message, std::invalid_argument);
  };
  expect_error({Cell::lstm, 0, 1, 1}, "expected input_size of at least 1, got 0");
  expect_error({Cell::lstm, 1, 0, 1}, "expected hidden_size of at least 1, got 0");
  expect_error({Cell::lstm, 1, 1, 0}, "expected num_layers of at least 1, got 0");
  expect_error({Cell::lstm, -3, 1, 1}, "expected input_size of at least 1, got -3");
  expect_error({Cell::lstm, 4, 4, 1, true, false, 4}, "expected proj_size from 0 to hidden_size - 1 = 3, got 4");
  expect_error({Cell::lstm, 4, 4, 1, true, false, -1}, "expected proj_size from 0 to hidden_size - 1 = 3, got -1");
  expect_error({Cell::gru, 4, 4, 1, true, false, 2}, "expected an LSTM for proj_size, got a GRU");
  for (const Spec& spec : {Spec{Cell::gru, huge, 1, 1}, Spec{Cell::gru, 1, huge, 1}, Spec{Cell::gru, 1, 1, huge},
                           Spec{Cell::lstm, 1, huge, 1, true, true, huge - 1},
                           Spec{Cell::gru, std::int64_t{1} << 31, std::int64_t{1} << 31, 1}}) {
    CHECK_THROWS_WITH_AS(gatecell::validate(spec),
                         doctest::Contains("expected sizes whose weights fit into memory, got"), std::invalid_argument);
  }
}

TEST_CASE("options of another cell and clips that are not positive and finite are errors") {
  const Spec lstm{Cell::lstm, 4, 4}, gru{Cell::gru, 4, 4}, rnn{Cell::rnn_tanh, 4, 4};
  const auto check = [](Spec spec, auto member, auto value, bool is_valid) {
    CAPTURE(describe(spec));
    spec.*member = value;
    if (is_valid) {
      CHECK_NOTHROW(gatecell::validate(spec));
    } else {
      CHECK_THROWS_WITH_AS(gatecell::validate(spec), doctest::Contains("expected "), std::invalid_argument);
    }
  };
  for (const Spec& spec : {lstm, gru, rnn}) {
    const bool is_lstm = spec.cell == Cell::lstm;
    check(spec, &Spec::peepholes, Peepholes::diagonal, is_lstm);
    check(spec, &Spec::peepholes, Peepholes::full, is_lstm);
    check(spec, &Spec::coupled_gates, true, is_lstm);
    check(spec, &Spec::cell_clip, 0.5, is_lstm);
    check(spec, &Spec::reset, Reset::before, spec.cell == Cell::gru);
    check(spec, &Spec::reset, Reset::none, spec.cell == Cell::gru);
    check(spec, &Spec::gate_clip, 0.5, true);
    for (const double clip : {-1.0, double(INFINITY), double(NAN)}) check(spec, &Spec::gate_clip, clip, false);
    for (const double clip : {-1.0, double(INFINITY), double(NAN)}) check(spec, &Spec::cell_clip, clip, false);
  }
}

TEST_CASE("the constructor checks the spec and the number of weights") {
  const Isa isa = gatecell::available_isas().front();
  auto problem = random_problem<float>(Spec{Cell::gru, 3, 4, 2, true, true}, 1, 1);
  auto weights = reference::views(problem);
  CHECK_NOTHROW(Network<float>(problem.spec, weights, isa));
  const auto bias = weights[2].bias_hh;
  weights[2].bias_hh = nullptr;
  CHECK_THROWS_WITH_AS(Network<float>(problem.spec, weights, isa), "expected bias_hh, got none", std::invalid_argument);
  weights[2].bias_hh = weights[3].weight_hr = bias;
  CHECK_THROWS_WITH_AS(Network<float>(problem.spec, weights, isa), "expected no weight_hr, got one",
                       std::invalid_argument);
  weights[3].weight_hr = nullptr;
  weights.pop_back();
  CHECK_THROWS_WITH_AS(Network<float>(problem.spec, weights, isa), "expected weights of 4 layers and directions, got 3",
                       std::invalid_argument);
  weights.clear();
  CHECK_THROWS_AS(Network<float>(problem.spec, weights, isa), std::invalid_argument);
  CHECK_THROWS_AS(Network<float>(Spec{Cell::gru, 3, 0, 1}, weights, isa), std::invalid_argument);
}

TEST_CASE("a network returns its spec, ISA and size, also after a move") {
  const auto problem = random_problem<double>(Spec{Cell::lstm, 3, 8, 2, false, true, 5}, 4, 2);
  const Isa isa = gatecell::available_isas().back();
  auto source = network(problem, isa);
  const auto expected = run(source, problem);
  const Network<double> net = std::move(source);
  CHECK(same_bits(run(net, problem), expected));
  CHECK(net.isa() == isa);
  CHECK(describe(net.spec()) == describe(problem.spec));
  std::size_t numbers = 0;
  for (const auto& tensor : problem.weights) numbers += tensor.size();
  CHECK(net.nbytes() >= numbers * sizeof(double));
}

TEST_CASE("ISAs: the best is first, the baseline is always available, parse_isa reads the names") {
  const Isa baseline = gatecell::built_isas[std::size(gatecell::built_isas) - 1];
  const auto& isas = gatecell::available_isas();
  REQUIRE(!isas.empty());
  CHECK(isas.back() == baseline);
  for (std::size_t i = 1; i < isas.size(); ++i) CHECK(static_cast<int>(isas[i - 1]) > static_cast<int>(isas[i]));
  for (const Isa isa : isas) CHECK(gatecell::parse_isa(gatecell::name(isa)) == isa);
  for (const std::string name : {"", "AVX2", "avx", "NEON", "avx512 "}) {
    CAPTURE(name);
    CHECK_THROWS_WITH_AS(gatecell::parse_isa(name), doctest::Contains(gatecell::name(baseline)), std::invalid_argument);
  }
}
