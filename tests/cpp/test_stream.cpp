// A stream gives the same bits as one call over the whole sequence.
#include <doctest/doctest.h>

#include <optional>
#include <stdexcept>
#include <utility>

#include "gatecell/stream.h"
#include "problems.h"

using namespace problems;
using gatecell::Stream;

namespace {

std::vector<Spec> specs() {
  std::vector<Spec> result = every_cell("I=5 H=19");
  for (const Spec& spec : every_cell("I=3 H=33 L=3 no_bias")) result.push_back(spec);
  result.push_back(parse_spec("lstm I=5 H=40 L=2 P=7"));
  for (const Spec& spec : extended_specs("I=5 H=19 L=2")) result.push_back(spec);
  return result;
}

// Takes all steps of the problem, and stores y and the state after them.
template <class T>
void feed(Stream<T>& stream, const Problem<T>& problem, Output<T>& output) {
  const Call<T> call = dense_call(problem, output);
  for (std::int64_t t = 0; t < problem.steps; ++t) stream.step(call.x + t * call.x_step, call.y + t * call.y_step);
  stream.get_state(output.h_n.data(), call.c_n);
}

}  // namespace

TEST_CASE_TEMPLATE("a stream and one call have the same bits", T, float, double) {
  for (const Isa isa : gatecell::available_isas()) {
    for (const Spec& spec : specs()) {
      for (const std::int64_t rows : {1, 2, 9, 60}) {
        auto problem = random_problem<T>(spec, 12, rows);
        CAPTURE(describe(problem));
        CAPTURE(describe(isa));
        std::optional<Network<T>> net = network(problem, isa);
        Stream<T> stream(*net, rows);
        Output<T> fed;
        stream.set_state(problem.h_0.data(), problem.c_0.empty() ? nullptr : problem.c_0.data());
        feed(stream, problem, fed);
        CHECK(same_bits(fed, run(*net, problem)));

        stream.set_state(nullptr, nullptr);  // sets zeros, as in a new stream
        problem.h_0.clear();
        problem.c_0.clear();
        const Output<T> whole = run(*net, problem);
        net.reset();  // the stream keeps the weights alive
        feed(stream, problem, fed);
        CHECK(same_bits(fed, whole));
      }
    }
  }
}

TEST_CASE_TEMPLATE("a new stream begins with zeros, and can be moved", T, float, double) {
  auto problem = random_problem<T>("lstm I=5 H=19 L=2", 6, 3);
  problem.h_0.clear();
  problem.c_0.clear();
  const auto net = network(problem, gatecell::available_isas().front());
  Stream<T> first(net, 3);
  Stream<T> stream(net);
  stream = std::move(first);
  Output<T> fed;
  feed(stream, problem, fed);
  CHECK(same_bits(fed, run(net, problem)));
  Stream<T> moved(std::move(stream));
  Output<T> again;
  moved.set_state(nullptr, nullptr);
  feed(moved, problem, again);
  CHECK(same_bits(again, fed));
}

TEST_CASE_TEMPLATE("reset sets some rows to zeros", T, float, double) {
  for (const Spec& spec : specs()) {
    const auto problem = random_problem<T>(spec, 1, 5);
    CAPTURE(describe(problem));
    Stream<T> stream(network(problem, gatecell::available_isas().front()), 5);
    stream.set_state(problem.h_0.data(), problem.c_0.empty() ? nullptr : problem.c_0.data());
    const std::int64_t rows[] = {4, 1}, wrong[] = {0, 5}, negative[] = {0, -1};
    CHECK_THROWS_WITH_AS(stream.reset(wrong, 2), "expected rows from 0 to 4, got 5", std::invalid_argument);
    CHECK_THROWS_WITH_AS(stream.reset(negative, 2), "expected rows from 0 to 4, got -1", std::invalid_argument);
    stream.reset(rows, 0);
    stream.reset(rows, 2);
    const auto with_zeros = [](std::vector<T> state, std::int64_t features) {
      for (std::size_t i = 0; i < state.size(); ++i) {
        const std::size_t row = i / static_cast<std::size_t>(features) % 5;
        if (row == 1 || row == 4) state[i] = 0;
      }
      return state;
    };
    std::vector<T> h(problem.h_0.size()), c(problem.c_0.size());
    stream.get_state(h.data(), c.empty() ? nullptr : c.data());
    CHECK(same_bits(h, with_zeros(problem.h_0, spec.state_size())));
    CHECK(same_bits(c, with_zeros(problem.c_0, spec.hidden_size)));
  }
}

TEST_CASE("a stream of no rows or of a bidirectional network is an error") {
  const auto isa = gatecell::available_isas().front();
  const auto one_direction = network(random_problem<float>("gru I=5 H=19", 1, 1), isa);
  const auto two_directions = network(random_problem<float>("gru I=5 H=19 bidirectional", 1, 1), isa);
  CHECK_THROWS_WITH_AS(Stream<float>(one_direction, 0), "expected rows of at least 1, got 0", std::invalid_argument);
  CHECK_THROWS_WITH_AS(Stream<float>{two_directions},
                       "expected a network of one direction for a stream, got a bidirectional one",
                       std::invalid_argument);
}
