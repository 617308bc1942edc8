// A stream: bit for bit what one call over the whole sequence gives.
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
  std::vector<Spec> result;
  for (const Cell cell : all_cells) {
    result.push_back(Spec{cell, 5, 19, 1});
    result.push_back(Spec{cell, 3, 33, 3, false});
  }
  result.push_back(Spec{Cell::lstm, 5, 40, 2, true, false, 7});
  for (const Spec& spec : textbook_specs(5, 19, 2, false)) result.push_back(spec);
  return result;
}

// All steps of the problem, and the state after them.
template <class T>
void feed(Stream<T>& stream, const Problem<T>& problem, Output<T>& output) {
  const Call<T> call = dense_call(problem, output);
  for (std::int64_t t = 0; t < problem.steps; ++t) stream.step(call.x + t * call.x_step, call.y + t * call.y_step);
  stream.get_state(output.h_n.data(), call.c_n);
}

}  // namespace

TEST_CASE_TEMPLATE("step by step and in one call", T, float, double) {
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

        stream.set_state(nullptr, nullptr);  // zeros, as at the beginning
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
  auto problem = random_problem<T>(Spec{Cell::lstm, 5, 19, 2}, 6, 3);
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

TEST_CASE("what a stream cannot be made of") {
  const auto isa = gatecell::available_isas().front();
  const auto one_way = network(random_problem<float>(Spec{Cell::gru, 5, 19, 1}, 1, 1), isa);
  const auto both_ways = network(random_problem<float>(Spec{Cell::gru, 5, 19, 1, true, true}, 1, 1), isa);
  CHECK_THROWS_WITH_AS(Stream<float>(one_way, 0), "a stream needs at least one row", std::invalid_argument);
  CHECK_THROWS_WITH_AS(Stream<float>{both_ways}, "a stream needs a network of one direction", std::invalid_argument);
}
