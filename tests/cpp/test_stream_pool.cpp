// Stream pools: each stream has the same bits as a Stream; ids; errors.
#include <doctest/doctest.h>

#include <map>
#include <random>
#include <set>
#include <stdexcept>

#include "gatecell/stream.h"
#include "gatecell/stream_pool.h"
#include "problems.h"

using namespace problems;
using gatecell::Stream;
using gatecell::StreamPool;

namespace {

using Ids = std::vector<std::int64_t>;

std::int64_t count(const Ids& ids) { return static_cast<std::int64_t>(ids.size()); }

}  // namespace

TEST_CASE_TEMPLATE("streams of a pool open, close and take steps with the bits of a Stream", T, float, double) {
  for (const Isa isa : gatecell::available_isas()) {
    for (Spec spec : every_cell("I=5 H=19 L=2")) {
      if (spec.cell == Cell::lstm) spec.proj_size = 7;
      const auto net = network(random_problem<T>(spec, 1, 1), isa);
      const std::int64_t inputs = spec.input_size, outputs = spec.output_size();
      StreamPool<T> pool(net, 12);
      std::map<std::int64_t, Stream<T>> alone;
      std::set<std::int64_t> all;
      std::mt19937 engine(1);
      const auto random = [&](std::int64_t n) { return std::uniform_int_distribution<std::int64_t>(0, n)(engine); };
      for (unsigned turn = 0; turn < 60; ++turn) {
        if (pool.size() < 12 && random(2)) {
          const std::int64_t id = pool.open();
          CHECK(all.insert(id).second);  // no stream had this id before
          alone.emplace(id, Stream<T>(net));
        } else if (pool.size() > 0) {
          const std::int64_t id = std::next(alone.begin(), random(pool.size() - 1))->first;
          pool.close(id);
          alone.erase(id);
        }
        CHECK(pool.size() == static_cast<std::int64_t>(alone.size()));
        Ids ids;
        for (const auto& entry : alone) {
          if (random(3)) ids.push_back(entry.first);
        }
        std::shuffle(ids.begin(), ids.end(), engine);
        Ids lengths(ids.size(), 1);
        const bool ragged = random(1);
        std::int64_t steps = 0;
        for (std::int64_t& length : lengths) steps += length = ragged ? random(4) : 1;
        const auto x = random_problem<T>("gru I=5 H=1", steps, 1, Scale::standard, turn).x;
        std::vector<T> y(static_cast<std::size_t>(steps * outputs)), expected(y.size());
        if (ragged) {
          pool.run(ids.data(), count(ids), lengths.data(), x.data(), y.data(), 2);
        } else {
          pool.step(ids.data(), count(ids), x.data(), y.data(), 2);
        }
        std::int64_t step = 0;
        for (std::size_t i = 0; i < ids.size(); ++i) {
          for (std::int64_t t = 0; t < lengths[i]; ++t, ++step) {
            alone.at(ids[i]).step(x.data() + step * inputs, expected.data() + step * outputs);
          }
        }
        CHECK(same_bits(y, expected));
      }
    }
  }
}

TEST_CASE("set_state and get_state find the state by id") {
  const auto problem = random_problem<float>("lstm I=5 H=19 L=2", 1, 3);
  const auto net = network(problem, gatecell::available_isas().front());
  StreamPool<float> pool(net, 4);
  CHECK(pool.capacity() == 4);
  CHECK(pool.nbytes() == 4 * 2 * (19 + 19) * sizeof(float));
  const Ids ids = {pool.open(), pool.open(), pool.open()}, some = {ids[2], ids[0], ids[1]};
  std::vector<float> h(problem.h_0.size()), c(h.size()), y(3 * 19);
  pool.set_state(some.data(), 3, problem.h_0.data(), problem.c_0.data());
  pool.get_state(some.data(), 3, h.data(), c.data());
  CHECK(same_bits(h, problem.h_0));
  CHECK(same_bits(c, problem.c_0));
  const Ids again = {some[1], some[1], some[0]};
  std::vector<float> first(h.size()), second(h.size());
  pool.get_state(again.data(), 3, first.data(), nullptr);
  pool.get_state(&some[1], 1, second.data(), nullptr);
  for (std::size_t layer = 0; layer < 2; ++layer) {
    const auto row = first.begin() + static_cast<std::ptrdiff_t>(layer * 3 * 19);
    CHECK(std::equal(row, row + 19, second.begin() + static_cast<std::ptrdiff_t>(layer * 19)));
    CHECK(std::equal(row + 19, row + 38, second.begin() + static_cast<std::ptrdiff_t>(layer * 19)));
    CHECK(std::equal(row + 38, row + 57, problem.h_0.begin() + static_cast<std::ptrdiff_t>(layer * 3 * 19)));
  }
  pool.step(some.data(), 3, problem.x.data(), y.data(), 1);
  CHECK(same_bits(y, run(net, problem).y));
  pool.set_state(some.data(), 3, nullptr, nullptr);
  pool.get_state(some.data(), 3, h.data(), nullptr);
  CHECK(same_bits(h, std::vector<float>(h.size())));
}

TEST_CASE("errors of a stream pool") {
  const auto net = network(random_problem<float>("gru I=5 H=19", 1, 1), gatecell::available_isas().front());
  const auto both = network(random_problem<float>("gru I=5 H=19 bidirectional", 1, 1), net.isa());
  CHECK_THROWS_WITH_AS(StreamPool<float>(both, 1),
                       "expected a network of one direction for a pool of streams, got a bidirectional one",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(StreamPool<float>(net, 0), "expected capacity of at least 1, got 0", std::invalid_argument);
  CHECK_THROWS_AS(StreamPool<float>(net, PTRDIFF_MAX), std::bad_alloc);

  StreamPool<float> pool(net, 2);
  const std::int64_t closed = pool.open(), open = pool.open();
  CHECK_THROWS_WITH_AS(pool.open(), "all 2 streams of this pool are open", std::length_error);
  pool.close(closed);
  const auto expect_error = [&](std::int64_t id, const std::string& message) {
    const std::vector<float> x(10, 1);
    std::vector<float> before(2 * 19), after(before), y(2 * 19);
    pool.get_state(&open, 1, before.data(), nullptr);
    const std::int64_t ids[] = {open, id}, lengths[] = {1, 1};
    CHECK_THROWS_WITH_AS(pool.step(ids, 2, x.data(), y.data(), 1), message.c_str(), std::invalid_argument);
    CHECK_THROWS_WITH_AS(pool.run(ids, 2, lengths, x.data(), y.data(), 1), message.c_str(), std::invalid_argument);
    CHECK_THROWS_WITH_AS(pool.set_state(ids, 2, x.data(), nullptr), message.c_str(), std::invalid_argument);
    if (id != open)
      CHECK_THROWS_WITH_AS(pool.get_state(ids, 2, y.data(), nullptr), message.c_str(), std::invalid_argument);
    pool.get_state(&open, 1, after.data(), nullptr);
    CHECK(same_bits(after, before));
  };
  const std::string got = "expected ids of open streams, each once, got ";
  expect_error(closed, got + "0, which is closed");
  expect_error(closed + 2, got + "2, which never was one");  // the next id of that row
  expect_error(-1, got + "-1, which never was one");
  expect_error(1000, got + "1000, which never was one");
  expect_error(open, got + "1 twice: these look like a mask, not like ids");
  CHECK_THROWS_WITH_AS(pool.close(closed), (got + "0, which is closed").c_str(), std::invalid_argument);
  const std::int64_t mask[] = {open, closed, open};
  CHECK_THROWS_WITH_AS(pool.set_state(mask, 3, nullptr, nullptr),
                       (got + "0, which is closed: these look like a mask, not like ids").c_str(),
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(pool.step(&open, -1, nullptr, nullptr, 1), "expected n streams of at least 0, got -1",
                       std::invalid_argument);
  const std::int64_t length = -1;
  CHECK_THROWS_AS(pool.run(&open, 1, &length, nullptr, nullptr, 1), std::invalid_argument);
  CHECK(pool.open() == closed + 2);
}
