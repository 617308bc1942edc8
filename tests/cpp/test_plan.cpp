// Checks that a call does what its plan says, field by field. The call counts what it does. There is a test for each
// regime of the cost model.
#include <doctest/doctest.h>

#include <chrono>
#include <stdexcept>
#include <thread>

#include "execution.h"
#include "pack/packed.h"
#include "problems.h"
#include "runtime/cpu_count.h"
#include "runtime/dispatch.h"
#include "runtime/test_hooks.h"
#include "schedule/plan.h"
#include "schedule/round_trip.h"
#include "schedule/thread_pool.h"

using namespace problems;
using gatecell::ExecutionStats;
using gatecell::Limit;
using gatecell::PackedNetwork;
using gatecell::Plan;

namespace {

std::int64_t divide_up(std::int64_t n, std::int64_t size) { return (n + size - 1) / size; }

// Makes calls until the workers were free and awake at the start of one. Otherwise the calling thread takes the first
// steps alone. On a busy machine this can take a large number of calls; CTest ends the test if it takes too long.
template <class T>
ExecutionStats stats_of_call(const PackedNetwork<T>& net, const Problem<T>& problem, const Plan& plan) {
  Output<T> output;
  const Call<T> call = dense_call(problem, output);
  for (;;) {
    ExecutionStats stats;
    execute(net, call, plan, &stats);
    if (stats.joined_at == 0 && stats.threads == plan.threads()) return stats;
  }
}

template <class T>
void check_execution(const PackedNetwork<T>& net, const Problem<T>& problem, const Plan& plan) {
  const Spec& spec = problem.spec;
  const std::int64_t direction_runs = spec.direction_runs(), steps = problem.steps;
  const ExecutionStats stats = stats_of_call(net, problem, plan);
  std::int64_t groups = 0;
  for (int share = 0; share < plan.row_parts; ++share) {
    const std::int64_t first = problem.rows * share / plan.row_parts,
                       last = problem.rows * (share + 1) / plan.row_parts;
    groups += divide_up(last - first, plan.group_rows);
  }
  // By layer, direction, group of rows and thread.
  const std::int64_t runs = direction_runs * groups * plan.hidden_parts;
  const std::int64_t barriers_each = 1 + steps * gatecell::barriers_per_step(spec);
  CHECK(stats.fused_steps == (plan.fused ? runs * steps : 0));
  CHECK(stats.projected_steps == (plan.fused ? 0 : runs * steps));
  CHECK(stats.most_steps == std::min(plan.chunk, steps));
  CHECK(stats.tasks == runs * divide_up(steps, plan.chunk));
  CHECK(stats.most_rows == plan.group_rows);
  CHECK(stats.barriers == (plan.hidden_parts > 1 ? runs * barriers_each : 0));
  const double step_bytes = gatecell::forecast(net, steps, problem.rows, plan).step_bytes;
  CHECK(step_bytes * static_cast<double>(steps) ==
        doctest::Approx(static_cast<double>(stats.weights_read) * sizeof(T)).epsilon(1e-12));
}

struct Regime {
  const char* name;
  const char* spec;
  std::int64_t steps, rows;
  int threads;
  bool (*holds)(const Plan& plan);
  bool waits_often = false;  // threads wait for each other every few steps
};

const Regime regimes[] = {
    {"a single step", "lstm I=9 H=40 L=2", 1, 1, 1, [](const Plan& p) { return p.fused && p.threads() == 1; }},
    {"one row", "gru I=9 H=40 L=2", 700, 1, 1, [](const Plan& p) { return !p.fused && p.chunk > 1; }},
    {"33 rows", "gru I=40 H=40", 20, 33, 1, [](const Plan& p) { return p.fused && p.group_rows == 33; }},
    {"groups of rows", "lstm I=9 H=33 L=2", 9, 100, 1, [](const Plan& p) { return p.group_rows < 50; }},
    {"few rows, large weights", "lstm I=600 H=200", 40, 4, 1, [](const Plan& p) { return !p.fused; }},
    {"both directions", "gru I=9 H=40 L=2 bidirectional", 30, 3, 1, [](const Plan& p) { return p.threads() == 1; }},
    {"split rows", "lstm I=64 H=64 L=2", 200, 16, 2, [](const Plan& p) { return p.row_parts == 2; }},
    {"split directions", "gru I=32 H=64 L=2 bidirectional", 400, 1, 2,
     [](const Plan& p) { return p.direction_parts == 2; }},
    {"split hidden units", "lstm I=64 H=512", 60, 1, 2, [](const Plan& p) { return p.hidden_parts == 2; }, true},
    {"split hidden units and a projection", "lstm I=64 H=512 P=96", 60, 1, 2,
     [](const Plan& p) { return p.hidden_parts == 2; }, true},
    {"split hidden units and a reset before the product", "gru I=64 H=512 reset=before", 60, 1, 2,
     [](const Plan& p) { return p.hidden_parts == 2; }, true},
    {"split hidden units and full peepholes", "lstm I=64 H=512 peepholes=full", 60, 1, 2,
     [](const Plan& p) { return p.hidden_parts == 2; }, true},
    {"extended cell on one thread", "lstm I=9 H=40 L=2 peepholes=diagonal coupled_gates", 700, 1, 1,
     [](const Plan& p) { return !p.fused && p.chunk > 1; }},
    {"split layers", "gru I=48 H=48 L=5", 500, 1, 2, [](const Plan& p) { return p.layer_parts == 2; }, true},
};

template <class T>
PackedNetwork<T> packed(const Problem<T>& problem, Isa isa) {
  return PackedNetwork<T>(problem.spec, reference::views(problem), isa);
}

}  // namespace

TEST_CASE_TEMPLATE("a call does what its plan says", T, float, double) {
  for (const Isa isa : gatecell::available_isas()) {
    for (const Regime& regime : regimes) {
      const auto problem = random_problem<T>(regime.spec, regime.steps, regime.rows);
      CAPTURE(regime.name);
      CAPTURE(describe(isa));
      CAPTURE(describe(problem));
      const auto net = packed(problem, isa);
      const gatecell::KernelTable& table = gatecell::kernel_table(isa);
      CHECK(table.isa == describe(isa));
      CHECK(static_cast<const void*>(&net.kernels) ==
            (sizeof(T) == 4 ? static_cast<const void*>(table.float32.weight_types) : table.float64.weight_types));
      const bool is_slow = regime.waits_often && gatecell::counter_round_trip() > 250e-9;  // cores answer too slowly
      Plan plan = gatecell::make_plan(net, regime.steps, regime.rows, regime.threads);
      if (regime.threads > gatecell::usable_cpus()) {
        CHECK(plan.threads() == 1);
      } else if (sizeof(T) == 4 && isa == gatecell::available_isas().front()) {  // others may plan differently
        CHECK((is_slow || regime.holds(plan)));
        if (is_slow) (problem.spec.num_layers > 1 ? plan.layer_parts : plan.hidden_parts) = 2;
      }
      CHECK(plan.seconds > 0);
      check_execution(net, problem, plan);
    }
  }
}

TEST_CASE("threads that split the hidden units wait as often in each step as the table of options says") {
  if (gatecell::usable_cpus() < 2) return;
  for (const Spec& spec : varied_specs()) {
    const auto problem = random_problem<float>(spec, 20, 1);
    CAPTURE(describe(problem));
    for (const bool fused : {false, true}) {
      check_execution(packed(problem, gatecell::available_isas().front()), problem, Plan{1, 1, 1, 2, 7, 1, fused});
    }
  }
}

TEST_CASE("the limit of a call") {
  const auto limit = [](const char* spec, std::int64_t steps, std::int64_t rows) {
    const auto net = network(random_problem<float>(spec, 1, 1), gatecell::available_isas().front());
    return net.forecast(steps, rows, net.plan(steps, rows, 1)).limit;
  };
  CHECK(limit("lstm I=256 H=256", 100, 32) == Limit::multiply_adds);
  CHECK(limit("lstm I=256 H=1024", 100, 1) == Limit::l3);  // 16 MB of recurrent weights
  CHECK(limit("lstm I=1 H=128", 100, 1) == Limit::l2);     // 256 KB
  CHECK(limit("rnn_tanh I=1 H=1", 100, 1) == Limit::calls);
  CHECK(limit("rnn_tanh I=1 H=1", 0, 1) == Limit::calls);
}

TEST_CASE("a forecast of a plan that is not valid") {
  const auto net = network(random_problem<float>("gru I=5 H=19 L=2", 1, 1), gatecell::available_isas().front());
  Plan plan;
  plan.chunk = 0;
  CHECK_THROWS_WITH_AS(net.forecast(10, 1, plan),
                       "expected a plan for this network and B=1, got row_parts=1, direction_parts=1, hidden_parts=1, "
                       "layer_parts=1, chunk=0, group_rows=1",
                       std::invalid_argument);
  plan = {};
  plan.layer_parts = 3;
  CHECK_THROWS_WITH_AS(net.forecast(10, 1, plan), doctest::Contains("B=1, got row_parts=1, "), std::invalid_argument);
}

namespace {

bool operator==(const Plan& a, const Plan& b) {
  return a.row_parts == b.row_parts && a.direction_parts == b.direction_parts && a.layer_parts == b.layer_parts &&
         a.hidden_parts == b.hidden_parts && a.chunk == b.chunk && a.group_rows == b.group_rows && a.fused == b.fused &&
         a.seconds == b.seconds;
}

// A call for which it matters whether calls come in a loop.
struct LoopCall {
  LoopCall() : problem(random_problem<float>(Spec{Cell::lstm, 64, 64, 1}, 1, 16)) {
    while (net.plan(problem.steps, problem.rows, 2, true).threads() < 2) {
      problem = random_problem<float>(problem.spec, problem.steps + 1, problem.rows);
    }
    call = dense_call(problem, output);
  }

  Problem<float> problem;
  Network<float> net = network(problem, gatecell::available_isas().front());
  Output<float> output;
  Call<float> call;
};

// Runs f() in a thread that has made no calls, while the workers sleep.
template <class F>
void in_new_thread(const F& f) {
  while (gatecell::thread_pool_is_awake()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  std::thread(f).join();
}

}  // namespace

TEST_CASE("a plan depends on in_loop, and not on the calls or plans before it") {
  gatecell::pretend_cpus(2);
  {
    LoopCall loop;
    const auto& [steps, rows] = std::pair(loop.call.steps, loop.call.rows);
    const Plan apart = loop.net.plan(steps, rows, 2), in_loop = loop.net.plan(steps, rows, 2, true);
    CHECK(apart.threads() == 1);
    CHECK(in_loop.threads() == 2);
    CHECK(in_loop.seconds < apart.seconds);
    CHECK(loop.net.plan(steps, rows, 1, true) == apart);  // one thread has nobody to share with
    for (int i = 0; i < 1000; ++i) {
      loop.net.forward(loop.call, 2);
      CHECK(loop.net.plan(steps, rows, 2) == apart);
      CHECK(loop.net.plan(loop.call, 2) == apart);
      CHECK(loop.net.plan(loop.call, 2, true).threads() == 2);
    }
  }
  gatecell::pretend_cpus(0);
}

TEST_CASE("only calls that run are a loop of calls") {
  gatecell::pretend_cpus(2);
  {
    LoopCall loop;
    in_new_thread([&] {
      const Plan apart = loop.net.plan(loop.call, 2);
      for (int i = 0; i < 1000; ++i) {  // predicted to take far longer than a loop needs
        loop.net.plan(loop.call, 2);
        loop.net.plan(loop.call, 2, true);
        CHECK(loop.net.prepare(loop.call, 2).plan() == apart);
      }
      // A series is calls that follow each other within about twice the predicted duration. With a sanitizer or in an
      // emulator each call takes far longer, so they are no series.
      double fastest = 1;
      for (int i = 0; i < 5; ++i) {
        const auto start = std::chrono::steady_clock::now();
        loop.net.prepare(loop.call, 1).run();  // one thread records nothing
        fastest = std::min(fastest, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
      }
      if (fastest > 1.5 * apart.seconds) return;
      int calls = 0;  // on a busy machine the system may interrupt the loop a large number of times
      while (calls < 100'000 && loop.net.prepare(loop.call, 2).plan().threads() < 2) {
        loop.net.prepare(loop.call, 2).run();
        ++calls;
      }
      CHECK(calls > 1);
      CHECK(calls < 100'000);
      CHECK(calls * apart.seconds > 500e-6);
    });
  }
  gatecell::pretend_cpus(0);
}

TEST_CASE("a prepared call runs like a call") {
  for (const Regime& regime : regimes) {
    const auto problem = random_problem<float>(regime.spec, std::min<std::int64_t>(regime.steps, 40), regime.rows);
    CAPTURE(regime.name);
    const auto net = network(problem, gatecell::available_isas().front());
    Output<float> output;
    const Call<float> call = dense_call(problem, output);
    const auto prepared = net.prepare(call, 1);
    CHECK(prepared.plan() == net.plan(call, 1));
    prepared.run();
    CHECK(same_bits(output, run(net, problem, Plan{1, 1, 1, 1, 7, 3})));
  }
  const auto net = network(random_problem<float>(Spec{Cell::gru, 5, 19, 2}, 1, 1), gatecell::available_isas().front());
  Call<float> call;
  call.steps = call.rows = 1;
  CHECK_THROWS_WITH_AS(net.prepare(call, 1), "expected x, y and h_n, got null for x", std::invalid_argument);
}
