// Which networks are valid: validate(), the checks of the constructor, names of ISAs.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <stdexcept>
#include <string>

#include "problems.h"
#include "runtime/dispatch.h"
#include "runtime/instruction_sets.h"

using namespace problems;

namespace {

void expect_invalid(const Spec& spec, const std::string& message) {
  CAPTURE(describe(spec));
  CHECK_THROWS_WITH_AS(gatecell::validate(spec), message.c_str(), std::invalid_argument);
}

bool has_option(const gatecell::CellInfo& cell, const Option& option) {
  return std::find(option.cells.begin(), option.cells.end(), cell.cell) != option.cells.end();
}

std::string shapes(const Spec& spec, std::int64_t layer) {
  std::string text;
  for (const auto& [name, shape] : gatecell::weight_shapes(spec, layer)) {
    text += name;
    for (std::size_t i = 0; i < shape.size(); ++i) text += (i ? "x" : " ") + std::to_string(shape[i]);
    text += ", ";
  }
  return text.substr(0, text.size() - 2);
}

}  // namespace

TEST_CASE("the text of a spec has all its values") {
  std::vector<Spec> specs = varied_specs();
  for (const Spec& spec : extended_specs("I=1 H=2 no_bias bidirectional")) specs.push_back(spec);
  std::set<std::string> texts;
  for (const Spec& spec : specs) {
    CAPTURE(describe(spec));
    CHECK(texts.insert(describe(spec)).second);
    const Spec parsed = parse_spec(describe(spec));
    CHECK(parsed.cell == spec.cell);
    CHECK(parsed.input_size == spec.input_size);
    CHECK(parsed.hidden_size == spec.hidden_size);
    CHECK(parsed.num_layers == spec.num_layers);
    CHECK(parsed.bias == spec.bias);
    CHECK(parsed.bidirectional == spec.bidirectional);
    CHECK(parsed.proj_size == spec.proj_size);
    for (const Option& option : gatecell::options()) CHECK(option.get(parsed) == option.get(spec));
  }
  const std::string text = "lstm I=5 H=19 L=2 P=7 no_bias bidirectional peepholes=full coupled_gates cell_clip=0.375";
  CHECK(describe(parse_spec(text)) == text);
  for (const std::string wrong : {"H", "H=", "H=a", "H=1a", "peepholes", "peepholes=", "peepholes=more",
                                  "coupled_gates=1", "cell_clip", "cell_clip=x", "X=1"}) {
    CAPTURE(wrong);
    CHECK_THROWS_AS(parse_spec("lstm I=1 " + wrong), std::invalid_argument);
  }
}

TEST_CASE("gates and shapes of weights: those of torch.nn and of the papers") {
  const auto check = [](const std::string& text, const std::string& gates, std::int64_t layer,
                        const std::string& expected) {
    CAPTURE(text);
    const Spec spec = parse_spec(text);
    CHECK(gatecell::gates(spec) == gates);
    CHECK(gatecell::num_gates(spec) == static_cast<int>(gates.size()));
    CHECK(shapes(spec, layer) == expected);
  };
  check("lstm I=3 H=5", "ifgo", 0, "weight_ih 20x3, weight_hh 20x5, bias_ih 20, bias_hh 20");
  check("lstm I=3 H=5 L=2 bidirectional", "ifgo", 1, "weight_ih 20x10, weight_hh 20x5, bias_ih 20, bias_hh 20");
  check("lstm I=3 H=5 P=2", "ifgo", 0, "weight_ih 20x3, weight_hh 20x2, bias_ih 20, bias_hh 20, weight_hr 2x5");
  check("lstm I=3 H=5 P=2 L=2 bidirectional no_bias", "ifgo", 1, "weight_ih 20x4, weight_hh 20x2, weight_hr 2x5");
  check("lstm I=3 H=5 no_bias peepholes=diagonal", "ifgo", 0, "weight_ih 20x3, weight_hh 20x5, weight_peephole 15");
  check("lstm I=3 H=5 P=2 peepholes=full coupled_gates", "igo", 0,
        "weight_ih 15x3, weight_hh 15x2, bias_ih 15, bias_hh 15, weight_peephole 10x5, weight_hr 2x5");
  check("lstm I=3 H=5 no_bias gate_clip=1 cell_clip=1", "ifgo", 0, "weight_ih 20x3, weight_hh 20x5");
  check("gru I=3 H=5", "rzn", 0, "weight_ih 15x3, weight_hh 15x5, bias_ih 15, bias_hh 15");
  check("gru I=3 H=5 L=2 no_bias reset=before gate_clip=1", "rzn", 1, "weight_ih 15x5, weight_hh 15x5");
  check("gru I=3 H=5 reset=none", "zn", 0, "weight_ih 10x3, weight_hh 10x5, bias_ih 10, bias_hh 10");
  check("rnn_tanh I=3 H=5", "h", 0, "weight_ih 5x3, weight_hh 5x5, bias_ih 5, bias_hh 5");
  check("rnn_relu I=3 H=5 L=2 bidirectional no_bias", "h", 1, "weight_ih 5x10, weight_hh 5x5");
  CHECK(gatecell::peephole_gates(parse_spec("lstm peepholes=diagonal")) == "ifo");
  CHECK(gatecell::peephole_gates(parse_spec("lstm peepholes=full coupled_gates")) == "io");
  CHECK(gatecell::peephole_gates(parse_spec("lstm")) == "");
}

TEST_CASE("sizes below 1, a wrong proj_size and sizes that overflow are errors") {
  CHECK_NOTHROW(gatecell::validate(parse_spec("lstm I=1 H=2 P=1 bidirectional")));
  const auto expect_error = [](const char* text, const char* message) { expect_invalid(parse_spec(text), message); };
  expect_error("lstm I=0 H=1", "expected input_size of at least 1, got 0");
  expect_error("lstm I=1 H=0", "expected hidden_size of at least 1, got 0");
  expect_error("lstm I=1 H=1 L=0", "expected num_layers of at least 1, got 0");
  expect_error("lstm I=-3 H=1", "expected input_size of at least 1, got -3");
  expect_error("lstm I=4 H=4 P=4", "expected proj_size from 0 to hidden_size - 1 = 3, got 4");
  expect_error("lstm I=4 H=4 P=-1", "expected proj_size from 0 to hidden_size - 1 = 3, got -1");
  expect_error("gru I=4 H=4 P=2", "expected an LSTM for proj_size, got a GRU");
  // The largest int64, the number before it, and 2^31.
  for (const char* const text :
       {"gru I=9223372036854775807 H=1", "gru I=1 H=9223372036854775807", "gru I=1 H=1 L=9223372036854775807",
        "gru I=2147483648 H=2147483648", "lstm I=1 H=9223372036854775807 P=9223372036854775806 bidirectional"}) {
    CHECK_THROWS_WITH_AS(gatecell::validate(parse_spec(text)),
                         doctest::Contains("expected sizes whose weights fit into memory, got"), std::invalid_argument);
  }
}

TEST_CASE("each cell takes its own options; options of another cell are errors") {
  for (const Option& option : gatecell::options()) {
    const gatecell::CellInfo& owner = gatecell::info(option.cells.front());
    for (const gatecell::CellInfo& cell : gatecell::cells()) {
      Spec spec = parse_spec(cell.name + std::string(" I=4 H=4"));
      CHECK_NOTHROW(gatecell::validate(spec));
      CHECK(!gatecell::extended(spec));
      for (const double value : values_of(option)) {
        option.set(spec, value);
        CAPTURE(describe(spec));
        CHECK(option.get(spec) == value);
        CHECK(gatecell::extended(spec));
        if (has_option(cell, option)) {
          CHECK_NOTHROW(gatecell::validate(spec));
          continue;
        }
        CHECK_THROWS_WITH_AS(gatecell::validate(spec), doctest::Contains(option.name), std::invalid_argument);
        CHECK_THROWS_WITH_AS(gatecell::validate(spec),
                             doctest::Contains((std::string("expected ") + owner.with_article).c_str()),
                             std::invalid_argument);
        CHECK_THROWS_WITH_AS(gatecell::validate(spec),
                             doctest::Contains((std::string(", got ") + cell.with_article).c_str()),
                             std::invalid_argument);
      }
    }
  }
  expect_invalid(parse_spec("gru peepholes=full"), "expected an LSTM for peepholes, got a GRU");
  expect_invalid(parse_spec("rnn_tanh coupled_gates"), "expected an LSTM for coupled_gates, got an RNN");
  expect_invalid(parse_spec("rnn_relu cell_clip=1"), "expected an LSTM for cell_clip, got an RNN");
  expect_invalid(parse_spec("lstm reset=before"), "expected a GRU for another reset than 'after', got an LSTM");
  expect_invalid(parse_spec("rnn_tanh reset=none"), "expected a GRU for another reset than 'after', got an RNN");
}

TEST_CASE("bounds that are not positive and finite are errors") {
  for (const Option& option : gatecell::options()) {
    if (option.kind != Option::Kind::bound) continue;
    for (const double bound : {-1.0, double(INFINITY), double(NAN)}) {
      expect_invalid(with(Spec{option.cells.front()}, option, bound),
                     std::string("expected ") + option.name + " finite and positive, got " + std::to_string(bound));
    }
  }
}

TEST_CASE("the constructor checks the spec and the number of weights") {
  const Isa isa = gatecell::available_isas().front();
  auto problem = random_problem<float>("gru I=3 H=4 L=2 bidirectional", 1, 1);
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
  CHECK_THROWS_AS(Network<float>(parse_spec("gru I=3 H=0"), weights, isa), std::invalid_argument);
}

TEST_CASE("a network returns its spec, ISA and size, also after a move") {
  const auto problem = random_problem<double>("lstm I=3 H=8 L=2 P=5 no_bias bidirectional", 4, 2);
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
  CHECK(net.nbytes() == gatecell::packed_nbytes<double>(problem.spec, isa));
}

TEST_CASE("the size of a network is an error for an instruction set that this machine cannot run") {
  const auto& isas = gatecell::available_isas();
  for (const gatecell::InstructionSet& row : gatecell::instruction_sets()) {  // those of other architectures, too
    CAPTURE(row.name);
    if (std::find(isas.begin(), isas.end(), row.isa) != isas.end()) {
      CHECK(gatecell::packed_nbytes<float>(Spec{}, row.isa) > 0);
    } else {
      CHECK_THROWS_WITH_AS(gatecell::packed_nbytes<float>(Spec{}, row.isa), doctest::Contains(row.name),
                           std::invalid_argument);
    }
  }
}

TEST_CASE("ISAs: the best is first, the baseline is always available, parse_isa reads the names") {
  const Isa baseline = gatecell::built_isas().back();
  const auto& isas = gatecell::available_isas();
  REQUIRE(!isas.empty());
  CHECK(isas.back() == baseline);
  for (std::size_t i = 1; i < isas.size(); ++i) CHECK(static_cast<int>(isas[i - 1]) > static_cast<int>(isas[i]));
  for (const Isa isa : isas) CHECK(gatecell::parse_isa(gatecell::name(isa)) == isa);
  for (const std::string name : {"", "AVX2", "avx9", "NEON", "avx512 "}) {
    CAPTURE(name);
    CHECK_THROWS_WITH_AS(gatecell::parse_isa(name), doctest::Contains(gatecell::name(baseline)), std::invalid_argument);
  }
}
