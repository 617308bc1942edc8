// What the team means to the process it lives in: fork(), idle CPU time, signals (invariants 5 and 6).
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <thread>

#include "problems.h"
#include "runtime/cpu_count.h"
#include "runtime/test_hooks.h"

using namespace problems;

namespace {

const int most_workers = std::min(1, gatecell::usable_cpus() - 1);  // of a call on two threads

// A call for two threads.
struct Shared {
  Problem<float> problem = random_problem<float>(Spec{Cell::lstm, 7, 64, 1, true, true}, 60, 9);
  Network<float> net = network(problem, gatecell::available_isas().front());
  Output<float> expected = run(net, problem);

  bool works() const {
    const bool shares = net.plan(problem.steps, problem.rows, 2).threads() == most_workers + 1;
    return shares && same_bits(run(net, problem, 2), expected);
  }
};

// The exit status of body() in a forked child; it is killed when it hangs.
template <class Body>
int in_child(Body body) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    alarm(600);
    _exit(body() ? 0 : 1);
  }
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  return status;
}

}  // namespace

TEST_CASE("fork: the child has no team and starts its own; the parent keeps its own") {
  const Shared shared;
  CHECK(in_child([&] { return gatecell::thread_pool_size() == 0 && shared.works(); }) == 0);  // before there is a team
  REQUIRE(shared.works());
  CHECK(gatecell::thread_pool_size() == most_workers);
  CHECK(in_child([&] {
          const bool none = gatecell::thread_pool_size() == 0;
          const bool works = shared.works() && gatecell::thread_pool_size() == most_workers;
          return none && works && in_child([&] { return shared.works(); }) == 0;  // and so does a grandchild
        }) == 0);
  CHECK(gatecell::thread_pool_size() == most_workers);
  CHECK(shared.works());
}

TEST_CASE("fork while another thread is inside a call") {
  const Shared shared;
  std::atomic<bool> stop{false};
  std::atomic<int> failures{0}, calls{0};
  Output<float> output;
  const Call<float> call = dense_call(shared.problem, output);
  std::thread caller([&] {
    while (!stop) {
      shared.net.forward(call, 2);  // without allocating: ASan's allocator does not survive a fork then
      failures += !same_bits(output, shared.expected);
      ++calls;
    }
  });
  while (calls < 2) std::this_thread::yield();  // which have the scratch and the team
  for (int i = 0; i < 30; ++i) CHECK(in_child([&] { return shared.works(); }) == 0);
  stop = true;
  caller.join();
  CHECK(failures == 0);
}

TEST_CASE("an idle team uses no CPU time") {
  const Shared shared;
  const auto cpu_seconds = [] {
    timespec time{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  };
  // The middle of three: usually 60 us, but one second in 300 showed 2.1 ms here, for a reason not found.
  std::array<double, 3> used{};
  for (double& seconds : used) {
    REQUIRE(shared.works());
    const double before = cpu_seconds();
    std::this_thread::sleep_for(std::chrono::seconds(1));
    seconds = cpu_seconds() - before;
  }
  std::sort(used.begin(), used.end());
  CHECK(used[1] < 2e-3);
  CHECK(shared.works());  // and wakes up again
}

TEST_CASE("signals: the caller's mask stays, workers take none") {
  const Shared shared;
  static std::atomic<pthread_t> handled_by{};
  CHECK(in_child([&] {
          sigset_t mask, before, after;
          sigemptyset(&mask);
          sigaddset(&mask, SIGUSR2);
          pthread_sigmask(SIG_SETMASK, &mask, &before);
          bool right = shared.works();  // starts the team of this process
          pthread_sigmask(SIG_SETMASK, nullptr, &after);
          right = right && sigismember(&after, SIGUSR2) == 1 && sigismember(&after, SIGUSR1) == 0;

          // With the caller's blocked, only a worker could take it: it must stay pending.
          signal(SIGUSR1, [](int) { handled_by = pthread_self(); });
          sigaddset(&mask, SIGUSR1);
          pthread_sigmask(SIG_SETMASK, &mask, nullptr);
          kill(getpid(), SIGUSR1);
          std::this_thread::sleep_for(std::chrono::milliseconds(20));
          return right && handled_by == pthread_t{};
        }) == 0);
}
