// Promise 2: the result of a row has the same bits for every batch, every split of the sequence into calls, every
// number of threads, and every ISA with FMA, and every ISA without.
#include <doctest/doctest.h>

#include "problems.h"
#include "runtime/cpu_count.h"

using namespace problems;

TEST_CASE_TEMPLATE("a row alone and in a batch have the same bits", T, float, double) {
  for (const Isa isa : gatecell::available_isas()) {
    for (const Spec& spec : varied_specs()) {
      const auto problem = random_problem<T>(spec, 7, 26);
      CAPTURE(describe(problem));
      CAPTURE(describe(isa));
      const auto net = network(problem, isa);
      const auto batch = run(net, problem);
      for (std::int64_t row = 0; row < problem.rows; ++row) {
        CHECK(same_bits(run(net, rows_of(problem, row, 1)), rows_of(batch, problem, row, 1)));
      }
      for (std::int64_t count = 2; count <= 14; ++count) {
        CHECK(same_bits(run(net, rows_of(problem, 3, count)), rows_of(batch, problem, 3, count)));
      }
    }
  }
}

TEST_CASE_TEMPLATE("one call and several calls over the same sequence have the same bits", T, float, double) {
  constexpr std::int64_t steps = 700;  // more than one chunk for every network here with 4 or 9 rows
  for (const Isa isa : gatecell::available_isas()) {
    for (Spec spec : varied_specs()) {
      if (spec.bidirectional) continue;
      for (const std::int64_t rows : {1, 4, 9}) {
        const auto problem = random_problem<T>(spec, steps, rows);
        CAPTURE(describe(problem));
        CAPTURE(describe(isa));
        const auto net = network(problem, isa);
        const auto whole = run(net, problem);
        auto piece = problem;
        Output<T> fed;
        std::int64_t done = 0;
        for (std::int64_t length = 1; done < steps; length = length * 3 + 1) {
          piece.steps = std::min(length, steps - done);
          const auto begin = problem.x.begin() + done * rows * spec.input_size;
          piece.x.assign(begin, begin + piece.steps * rows * spec.input_size);
          const auto output = run(net, piece);
          fed.y.insert(fed.y.end(), output.y.begin(), output.y.end());
          piece.h_0 = fed.h_n = output.h_n;
          piece.c_0 = fed.c_n = output.c_n;
          done += piece.steps;
        }
        CHECK(same_bits(fed, whole));
      }
    }
  }
}

TEST_CASE_TEMPLATE("one, two and three threads have the same bits", T, float, double) {
  int most_threads = 1;
  for (const Isa isa : gatecell::available_isas()) {
    for (Spec spec : varied_specs()) {
      spec.hidden_size *= 4;  // enough work, so that the plan uses several threads
      for (const std::int64_t rows : {1, 7, 26}) {
        const auto problem = random_problem<T>(spec, 60 / work_divisor, rows);
        CAPTURE(describe(problem));
        CAPTURE(describe(isa));
        const auto net = network(problem, isa);
        const auto alone = run(net, problem, 1);
        for (const int threads : {2, 3}) {
          most_threads = std::max(most_threads, net.plan(problem.steps, rows, threads).threads());
          CHECK(same_bits(run(net, problem, threads), alone));
        }
      }
    }
  }
  CHECK(most_threads == std::min(3, gatecell::usable_cpus()));  // otherwise the test has compared nothing
}

TEST_CASE_TEMPLATE("hidden units on one thread and on two threads have the same bits", T, float, double) {
  for (const Isa isa : gatecell::available_isas()) {
    for (const Spec& spec : varied_specs()) {
      for (const std::int64_t rows : {1, 2, 9}) {
        const auto problem = random_problem<T>(spec, 30, rows);
        CAPTURE(describe(problem));
        CAPTURE(describe(isa));
        const auto net = network(problem, isa);
        const gatecell::Plan plan = {1, 1, 1, 2, 7, std::min<std::int64_t>(rows, 4)};
        CHECK(same_bits(run(net, problem, plan), run(net, problem)));
      }
    }
  }
}

TEST_CASE_TEMPLATE("layers on one thread and on two threads have the same bits", T, float, double) {
  for (const Isa isa : gatecell::available_isas()) {
    std::vector<Spec> specs = extended_specs("I=5 H=19 L=5");
    for (Spec spec : every_cell("I=5 H=19 L=5")) {
      if (spec.cell == Cell::lstm) spec.proj_size = 7;
      specs.push_back(spec);
    }
    for (const Spec& spec : specs) {
      for (const std::int64_t rows : {1, 4}) {
        const auto problem = random_problem<T>(spec, 30, rows);
        CAPTURE(describe(problem));
        CAPTURE(describe(isa));
        const auto net = network(problem, isa);
        const auto alone = run(net, problem);
        for (const std::int64_t chunk : {1, 7, 30}) {
          for (const bool fused : {false, true}) {
            CHECK(same_bits(run(net, problem, gatecell::Plan{1, 1, 2, 1, chunk, rows, fused}), alone));
          }
        }
      }
    }
  }
}

TEST_CASE_TEMPLATE("fused and projected steps have the same bits", T, float, double) {
  for (const Isa isa : gatecell::available_isas()) {
    for (const Spec& spec : varied_specs()) {
      for (std::int64_t rows = 1; rows <= 26; ++rows) {
        const auto problem = random_problem<T>(spec, 5, rows);
        CAPTURE(describe(problem));
        CAPTURE(describe(isa));
        const auto net = network(problem, isa);
        const auto projected = run(net, problem, gatecell::Plan{1, 1, 1, 1, 3, rows});
        CHECK(same_bits(run(net, problem, gatecell::Plan{1, 1, 1, 1, 3, rows, true}), projected));
        CHECK(same_bits(run(net, problem, gatecell::Plan{1, 1, 1, 2, 3, rows, true}), projected));
      }
    }
  }
}

TEST_CASE_TEMPLATE("all instruction sets with FMA have the same bits, and all without", T, float, double) {
  const std::vector<Isa> with_fma = alike_isas(true), without_fma = alike_isas(false);
  if (with_fma.size() < 2 && without_fma.size() < 2) {
    MESSAGE("this machine, or this build, has no two of them");
    return;
  }
  for (const Spec& spec : varied_specs()) {
    for (const std::int64_t rows : {1, 2, 7, 26}) {
      for (const Scale scale : {Scale::standard, Scale::saturated}) {
        const auto problem = random_problem<T>(spec, 60, rows, scale);
        CAPTURE(describe(problem));
        for (const std::vector<Isa>& isas : {with_fma, without_fma}) {
          if (isas.size() < 2) continue;
          const auto expected = run(network(problem, isas[0]), problem);
          for (std::size_t i = 1; i < isas.size(); ++i) {
            CHECK(same_bits(run(network(problem, isas[i]), problem), expected));
          }
        }
      }
    }
  }
}
