// A stream gives the same bits as one call over the whole sequence.
#include <doctest/doctest.h>

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <utility>

#include "gatecell/stream.h"
#include "pack/packed.h"
#include "problems.h"
#include "runtime/test_hooks.h"
#include "schedule/forward.h"

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

TEST_CASE_TEMPLATE("several steps at once have the bits of one call", T, float, double) {
  for (const Isa isa : gatecell::available_isas()) {
    for (const Spec& spec : specs()) {
      for (const std::int64_t rows : {1, 2, 9, 60}) {
        const auto problem = random_problem<T>(spec, 12, rows);
        CAPTURE(describe(problem));
        CAPTURE(describe(isa));
        const auto net = network(problem, isa);
        Stream<T> stream(net, rows);
        stream.set_state(problem.h_0.data(), problem.c_0.empty() ? nullptr : problem.c_0.data());
        Output<T> fed;
        const Call<T> call = dense_call(problem, fed);
        const auto x = [&](std::int64_t t) { return call.x + t * call.x_step; };
        const auto y = [&](std::int64_t t) { return call.y + t * call.y_step; };
        stream.run(3, x(0), y(0), 1);
        stream.step(x(3), y(3));
        stream.run(0, nullptr, nullptr, 1);
        stream.run(1, x(4), y(4), 2);
        stream.run(7, x(5), y(5), 2);
        stream.get_state(fed.h_n.data(), call.c_n);
        CHECK(same_bits(fed, run(net, problem)));
      }
    }
  }
}

TEST_CASE_TEMPLATE("several steps on two threads have the bits of one call", T, float, double) {
  gatecell::pretend_cpus(2);
  {
    const auto problem = random_problem<T>(Spec{Cell::lstm, 64, 64, 2}, 121, 33);
    const auto net = network(problem, gatecell::available_isas().front());
    Stream<T> stream(net, problem.rows);
    stream.set_state(problem.h_0.data(), problem.c_0.data());
    Output<T> fed;
    const Call<T> call = dense_call(problem, fed);
    stream.step(call.x, call.y);
    Call<T> rest = call;
    rest.steps = 100;
    rest.x += call.x_step;
    rest.y += call.y_step;
    {
      const auto prepared = stream.prepare(rest, 2);
      CHECK(prepared.plan().threads() == 2);
      prepared.run();
    }
    stream.run(20, call.x + 101 * call.x_step, call.y + 101 * call.y_step, 2);
    stream.get_state(fed.h_n.data(), fed.c_n.data());
    CHECK(same_bits(fed, run(net, problem)));
  }
  gatecell::pretend_cpus(0);
}

// As in a stream, but for every split, whatever the cost model says: the state is in arrays with padded rows.
TEST_CASE_TEMPLATE("every plan updates a state in place", T, float, double) {
  gatecell::pretend_cpus(3);
  for (const Spec& spec : specs()) {
    const auto problem = random_problem<T>(spec, 13, 7);
    const gatecell::PackedNetwork<T> net(spec, reference::views(problem), gatecell::available_isas().front());
    const Output<T> expected = run(network(problem, gatecell::available_isas().front()), problem);
    const std::int64_t state_size = spec.state_size(), h_row = state_size + 5, c_row = spec.hidden_size + 3;
    const auto layers = static_cast<std::size_t>(spec.num_layers);
    const auto copy = [&](const std::vector<T>& from, std::int64_t size, std::vector<T>& to, std::int64_t row) {
      for (std::size_t r = 0; r < from.size() / static_cast<std::size_t>(size); ++r) {
        std::copy_n(from.data() + static_cast<std::int64_t>(r) * size, size,
                    to.data() + static_cast<std::int64_t>(r) * row);
      }
    };
    for (const gatecell::Plan& plan :
         {gatecell::Plan{1, 1, 1, 1, 13, 7}, gatecell::Plan{1, 1, 1, 1, 4, 3}, gatecell::Plan{3, 1, 1, 1, 4, 2},
          gatecell::Plan{1, 1, 1, 3, 4, 4}, gatecell::Plan{1, 1, static_cast<int>(layers), 1, 4, 7}}) {
      CAPTURE(describe(problem));
      CAPTURE(plan.row_parts);
      CAPTURE(plan.hidden_parts);
      CAPTURE(plan.layer_parts);
      std::vector<T> h(layers * 7 * static_cast<std::size_t>(h_row), T(7)),
          c(layers * 7 * static_cast<std::size_t>(c_row), T(7));
      std::vector<T> expected_h = h, expected_c = c;
      copy(problem.h_0, state_size, h, h_row);
      copy(problem.c_0, spec.hidden_size, c, c_row);
      copy(expected.h_n, state_size, expected_h, h_row);
      copy(expected.c_n, spec.hidden_size, expected_c, c_row);
      std::vector<gatecell::StateArrays<T>> states;
      for (std::int64_t layer = 0; layer < spec.num_layers; ++layer) {
        T *const layer_h = h.data() + layer * 7 * h_row, *const layer_c = c.data() + layer * 7 * c_row;
        states.push_back({layer_h, layer_c, layer_h, layer_c, h_row, c_row});
      }
      Output<T> output;
      Call<T> call = dense_call(problem, output);
      call.h_0 = call.c_0 = call.h_n = call.c_n = nullptr;
      gatecell::forward<T>(net, call, {}, states.data(), plan);
      CHECK(same_bits(output.y, expected.y));
      CHECK(same_bits(h, expected_h));
      CHECK(same_bits(c, expected_c));
    }
  }
  gatecell::pretend_cpus(0);
}

TEST_CASE("steps of a stream may have any strides") {
  const auto problem = random_problem<float>(Spec{Cell::lstm, 5, 19, 2}, 6, 3);
  const auto net = network(problem, gatecell::available_isas().front());
  Stream<float> stream(net, 3);
  stream.set_state(problem.h_0.data(), problem.c_0.data());
  Output<float> fed, whole;
  Call<float> call = dense_call(problem, fed);
  const Call<float> all = dense_call(problem, whole);
  call.x_step = 5;  // the steps of a row are adjacent
  call.x_row = 6 * 5;
  call.y_step = 2 * 3 * 19;  // y has room for twice the steps
  std::vector<float> y(2 * 6 * 3 * 19);
  call.y = y.data();
  stream.prepare(call, 1).run();
  Call<float> expected = all;
  expected.x_step = call.x_step;
  expected.x_row = call.x_row;
  net.forward(expected, 1);
  for (std::ptrdiff_t t = 0; t < 6; ++t) {
    CHECK(std::equal(y.data() + t * call.y_step, y.data() + t * call.y_step + 3 * 19, all.y + t * all.y_step));
  }
}

TEST_CASE("wrong steps of a stream change no state") {
  const auto problem = random_problem<float>(Spec{Cell::lstm, 5, 19, 2}, 6, 3);
  Stream<float> stream(network(problem, gatecell::available_isas().front()), 3);
  stream.set_state(problem.h_0.data(), problem.c_0.data());
  Output<float> output;
  const Call<float> call = dense_call(problem, output);
  CHECK_THROWS_WITH_AS(stream.run(-1, call.x, call.y, 1), "expected steps and rows of at least 0, got -1 and 3",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(stream.run(2, nullptr, call.y, 1), "expected x and y, got null for x", std::invalid_argument);
  CHECK_THROWS_WITH_AS(stream.run(2, call.x, nullptr, 1), "expected x and y, got null for y", std::invalid_argument);
  stream.get_state(output.h_n.data(), output.c_n.data());
  CHECK(same_bits(output.h_n, problem.h_0));
  CHECK(same_bits(output.c_n, problem.c_0));
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
