// Wait counters, leases, several callers at once, and calls on several threads. Also built with ThreadSanitizer.
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "execution.h"
#include "pack/packed.h"
#include "problems.h"
#include "runtime/cpu_count.h"
#include "runtime/test_hooks.h"
#include "runtime/wait_counter.h"
#include "schedule/worker_lease.h"

using namespace problems;
using gatecell::WaitCounter;
using gatecell::WorkerLease;

namespace {

const int other_cpus = gatecell::usable_cpus() - 1;

// What each share of a job has done. The numbers are not atomic, so that ThreadSanitizer reports missing
// synchronisation.
struct Record {
  explicit Record(int shares) : runs(static_cast<std::size_t>(shares)), threads(runs.size()) {}
  std::vector<int> runs;
  std::vector<std::thread::id> threads;
};

void record_share(void* context, int share) {
  auto& record = *static_cast<Record*>(context);
  const auto index = static_cast<std::size_t>(share);
  ++record.runs[index];
  record.threads[index] = std::this_thread::get_id();
}

}  // namespace

TEST_CASE("a wait counter wakes threads that sleep or spin, also when it wraps around") {
  for (const int spin : {0, 50}) {
    WaitCounter ping, pong;
    const std::chrono::microseconds time(spin);
    constexpr std::uint32_t first = 0u - 5000;
    ping.raise(first);
    pong.raise(first);
    std::thread other([&] {
      for (std::uint32_t i = 1; i <= 10000; ++i) {
        ping.wait_for(first + i, time);
        pong.raise(first + i);
      }
    });
    for (std::uint32_t i = 1; i <= 10000; ++i) {
      ping.raise(first + i);
      pong.wait_for(first + i, time);
    }
    other.join();
    CHECK(pong.value() == first + 10000);
  }
}

TEST_CASE("a wait counter releases several threads, and a later thread does not wait") {
  WaitCounter counter;
  std::atomic<int> passed{0};
  std::vector<std::thread> waiters;
  for (int i = 0; i < 4; ++i) {
    waiters.emplace_back([&] {
      counter.wait_for(2, std::chrono::microseconds(0));
      ++passed;
    });
  }
  counter.raise(1);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK(passed == 0);
  counter.raise(3);
  for (auto& waiter : waiters) waiter.join();
  counter.wait_for(2, std::chrono::microseconds(0));
  CHECK(passed == 4);
}

TEST_CASE("a lease gets the workers it asks for, at most one per other CPU") {
  CHECK(WorkerLease(0).size() == 0);
  CHECK(WorkerLease(-1).size() == 0);
  for (const int wanted : {1, 2, 1000}) {
    const int expected = std::min(wanted, other_cpus);
    CHECK(WorkerLease(wanted).size() == expected);
    CHECK(gatecell::thread_pool_size() == expected);  // the pool grows on demand
  }
  CHECK(WorkerLease(1).size() == std::min(1, other_cpus));
  CHECK(gatecell::thread_pool_size() == other_cpus);  // the pool never shrinks
}

TEST_CASE("a worker belongs to one lease at a time, and can be leased again") {
  {
    const WorkerLease all(1000);
    CHECK(all.size() == other_cpus);
    CHECK(WorkerLease(1).size() == 0);
  }
  CHECK(WorkerLease(1000).size() == other_cpus);
}

TEST_CASE("every share runs once, each in its own thread, the first one in the calling thread") {
  WorkerLease lease(1000);
  for (int round = 0; round < 1000; ++round) {
    for (int shares = 1; shares <= lease.size() + 1; ++shares) {
      Record record(shares);
      lease.run(shares, record_share, &record);
      REQUIRE(std::count(record.runs.begin(), record.runs.end(), 1) == shares);
      REQUIRE((record.threads[0] == std::this_thread::get_id()));
      REQUIRE(std::set<std::thread::id>(record.threads.begin(), record.threads.end()).size() == record.runs.size());
    }
    if (round % 100 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));  // the workers fall asleep
  }
}

TEST_CASE("8 callers at once") {
  std::atomic<int> failures{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 8; ++caller) {
    callers.emplace_back([&failures, caller] {
      for (int round = 0; round < 1000; ++round) {
        WorkerLease lease(1 + (caller + round) % 3);
        Record record(lease.size() + 1);
        lease.run(lease.size() + 1, record_share, &record);
        lease.run(1, record_share, &record);
        failures += record.runs[0] != 2;
        for (std::size_t share = 1; share < record.runs.size(); ++share) failures += record.runs[share] != 1;
      }
    });
  }
  for (auto& caller : callers) caller.join();
  CHECK(failures == 0);
  CHECK(WorkerLease(1000).size() == other_cpus);
}

TEST_CASE("four threads call one network, with two threads each") {
  struct Shape {
    const char* spec;
    std::int64_t steps, rows;
    gatecell::Plan plan;  // splits, chunk, group_rows
  };
  const Shape shapes[] = {{"lstm I=7 H=48 L=2 P=13 bidirectional", 60, 9, {1, 2, 1, 1, 16, 5}},
                          {"gru I=7 H=64", 60, 9, {2, 1, 1, 1, 16, 5}},
                          {"gru I=7 H=72 L=2", 60, 1, {1, 1, 1, 2, 16, 1}},
                          {"lstm I=7 H=72 L=2 P=40 bidirectional", 60, 3, {1, 1, 1, 2, 16, 2}},
                          {"lstm I=7 H=24 L=5", 60, 3, {1, 1, 2, 1, 8, 3}}};
  for (const Shape& shape : shapes) {
    const auto problem = random_problem<float>(shape.spec, shape.steps, shape.rows);
    const auto net = network(problem, gatecell::available_isas().front());
    const auto expected = run(net, problem);
    std::atomic<int> failures{0};
    std::vector<std::thread> callers;
    for (int caller = 0; caller < 4; ++caller) {
      callers.emplace_back([&] {
        for (int round = 0; round < 20 / work_divisor; ++round)
          failures += !same_bits(run(net, problem, shape.plan), expected);
      });
    }
    for (auto& caller : callers) caller.join();
    CHECK(failures == 0);
  }
}

TEST_CASE("workers that sleep join a call that has begun") {
  bool joined = gatecell::usable_cpus() == 1;
  do {  // on a busy machine a call may end before the workers are awake
    for (const char* const text : {"lstm I=7 H=64 L=2", "gru I=7 H=40 L=3", "lstm I=7 H=64 P=9"}) {
      const Spec spec = parse_spec(text);
      for (const std::int64_t rows : {1, 3, 60}) {
        const auto problem = random_problem<float>(spec, 600 / work_divisor, rows);
        CAPTURE(describe(problem));
        const auto isa = gatecell::available_isas().front();
        const gatecell::PackedNetwork<float> net(spec, reference::views(problem), isa);
        Output<float> alone, output;
        execute(net, dense_call(problem, alone), {1, 1, 1, 1, 16, 48});
        for (const gatecell::Plan& plan : {gatecell::Plan{rows > 1 ? 2 : 1, 1, 1, rows > 1 ? 1 : 2, 16, 20},
                                           gatecell::Plan{1, 1, 1, 2, 16, 20, true},
                                           gatecell::Plan{1, 1, spec.num_layers > 1 ? 2 : 1, 1, 8, rows, true}}) {
          std::this_thread::sleep_for(std::chrono::milliseconds(2));
          gatecell::ExecutionStats stats;
          execute(net, dense_call(problem, output), plan, &stats);
          CHECK(same_bits(output, alone));
          joined |= stats.joined_at > 0 && stats.joined_at < problem.steps;
        }
      }
    }
  } while (!joined);
}

TEST_CASE("more than two threads, also on machines with two CPUs") {
  gatecell::pretend_cpus(7);
  struct Shape {
    const char* spec;
    std::int64_t steps, rows;
    gatecell::Plan plan;
  };
  const Shape shapes[] = {{"lstm I=7 H=80 L=2", 600 / work_divisor, 11, {3, 1, 1, 1, 5, 2}},
                          {"gru I=7 H=80", 600 / work_divisor, 3, {1, 1, 1, 5, 5, 3, true}},
                          {"lstm I=7 H=80 L=2 P=50", 600 / work_divisor, 2, {2, 1, 1, 3, 5, 1}},
                          {"gru I=7 H=64 L=2 bidirectional", 600 / work_divisor, 3, {1, 2, 1, 3, 5, 2}},
                          {"lstm I=7 H=24 L=5", 600 / work_divisor, 3, {1, 1, 3, 1, 5, 3}},
                          {"gru I=7 H=24 L=5", 600 / work_divisor, 3, {1, 1, 5, 1, 1, 3, true}},
                          {"lstm I=7 H=80 P=50 peepholes=full", 200 / work_divisor, 2, {1, 1, 1, 3, 5, 2}},
                          {"gru I=7 H=80 L=2 reset=before", 200 / work_divisor, 3, {1, 1, 1, 4, 5, 2, true}}};
  for (const Shape& shape : shapes) {
    const auto problem = random_problem<float>(shape.spec, shape.steps, shape.rows);
    CAPTURE(describe(problem));
    const auto isa = gatecell::available_isas().front();
    const gatecell::PackedNetwork<float> net(problem.spec, reference::views(problem), isa);
    Output<float> alone, output;
    execute(net, dense_call(problem, alone), {1, 1, 1, 1, 30, shape.rows});
    int as_planned = 0;
    while (as_planned < 2) {
      gatecell::ExecutionStats stats;
      execute(net, dense_call(problem, output), shape.plan, &stats);
      CHECK(same_bits(output, alone));
      as_planned += stats.threads == shape.plan.threads();  // false if the call ended before all workers were awake
    }
  }
  gatecell::pretend_cpus(0);
}

TEST_CASE("rows of different lengths, with every split") {
  gatecell::pretend_cpus(7);
  std::int64_t lengths[] = {90, 400, 0, 230, 400, 310, 20};
  for (std::int64_t& length : lengths) length /= work_divisor;
  const auto ragged_call = [&](const Problem<float>& problem, Output<float>& output) {
    Call<float> call = dense_call(problem, output);
    call.lengths = lengths;
    return call;
  };
  const gatecell::Plan plans[] = {// splits of rows, directions, layers, hidden units; chunk, group_rows
                                  {3, 1, 1, 1, 4, 7},
                                  {1, 2, 1, 1, 4, 7},
                                  {2, 1, 1, 2, 4, 7},
                                  {1, 1, 1, 3, 4, 7},
                                  {1, 1, 3, 1, 4, 7}};
  const auto check = [&](const Spec& spec, const gatecell::Plan& plan) {
    const auto problem = random_problem<float>(spec, 400 / work_divisor, 7);
    CAPTURE(describe(problem));
    CAPTURE(plan.threads());
    const auto isa = gatecell::available_isas().front();
    const gatecell::PackedNetwork<float> net(spec, reference::views(problem), isa);
    Output<float> alone, shared;
    execute(net, ragged_call(problem, alone), {1, 1, 1, 1, 4, 7});
    int as_planned = 0;
    while (as_planned < 5) {
      gatecell::ExecutionStats stats;
      execute(net, ragged_call(problem, shared), plan, &stats);
      CHECK(same_bits(shared, alone));
      as_planned += stats.threads == plan.threads();
    }
  };
  for (const gatecell::Plan& plan : plans) {
    const std::string words = std::string("I=5 H=40 L=3 ") + (plan.layer_parts == 1 ? "bidirectional" : "");
    check(parse_spec("lstm P=17 " + words), plan);
    if (plan.hidden_parts == 1) continue;  // the cells below have other barriers only if hidden units are split
    check(parse_spec("lstm peepholes=full " + words), plan);
    check(parse_spec("gru reset=before " + words), plan);
  }
  gatecell::pretend_cpus(0);
}

TEST_CASE("a call that updates its state in place never begins on the calling thread alone") {
  const Spec spec = parse_spec("gru I=7 H=80");
  auto problem = random_problem<float>(spec, 600 / work_divisor, 4);
  const gatecell::PackedNetwork<float> net(spec, reference::views(problem), gatecell::available_isas().front());
  const gatecell::Plan plan = {2, 1, 1, 1, 5, 2};
  bool begins_alone = false;
  for (int round = 0; other_cpus > 0 && (round < 200 / work_divisor || !begins_alone); ++round) {
    Output<float> output;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));  // the workers fall asleep
    gatecell::ExecutionStats stats;
    Call<float> call = dense_call(problem, output);
    const bool in_place = round % 2;
    if (in_place) call.h_n = problem.h_0.data();
    execute(net, call, plan, &stats);
    if (in_place) {
      CHECK(stats.joined_at == 0);
    } else {
      begins_alone |= stats.joined_at > 0;
    }
  }
}
