// Promise 6: a call restores the caller's floating-point mode, and this mode changes no result. During a call denormals
// are zero. That also holds for the worker threads, for every mode in which they were started.
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

#include "problems.h"
#include "runtime/cpu_count.h"
#include "runtime/fp_mode.h"
#include "schedule/worker_lease.h"

using namespace problems;

namespace {

using Mode = std::uint64_t;
#ifdef __x86_64__
constexpr Mode kDefault = 0x1f80;  // all exceptions masked, rounding to nearest
// MXCSR: 0x003f sticky flags, 0x0040 denormals are zero, 0x1f80 masks, 0x6000 rounding, 0x8000 flush to zero.
constexpr Mode kModes[] = {kDefault, 0x3f80, 0x5f80, 0x7f80, 0x9fc0, 0x1fbf, 0x0000, 0x6000, 0x203f};
#else
constexpr Mode kDefault = 0;
#ifdef __arm__
constexpr int kStatus = 0;  // FPSCR has all bits
#else
constexpr int kStatus = 32;  // FPSR is in the upper half, FPCR in the lower half
#endif
// 3 << 22 rounding, 1 << 24 flush to zero, 1 << 25 default NaN; 0x9f sticky flags. There is no mode that traps, because
// an ARM CPU may lack traps.
constexpr Mode kModes[] = {
    kDefault, 1 << 22, 2 << 22, 3 << 22, 1 << 24, 1 << 25, Mode{0x9f} << kStatus, Mode{0x11} << kStatus | 1 << 22};
#endif

constexpr const char* hard_sizes = "I=8 H=100 bidirectional";

// A problem of these sizes with enough work for two threads. Its values raise every floating-point exception: NaN,
// infinities, denormals, saturation.
template <class T>
Problem<T> hard_problem(const Spec& spec) {
  auto problem = random_problem<T>(spec, 200 / work_divisor, 8, Scale::saturated);
  problem.x[8 * 8 * 3] = std::numeric_limits<T>::signaling_NaN();
  problem.x[8 * 8 * 5 + 8] = std::numeric_limits<T>::infinity();
  problem.x[8 * 8 * 7 + 16] = std::numeric_limits<T>::denorm_min();
  problem.x[8 * 8 * 9 + 24] = std::numeric_limits<T>::max();
  problem.weights[0][1] = std::numeric_limits<T>::denorm_min();
  return problem;
}

// Makes a call in `mode`, and returns the mode after the call. Then sets the default mode again.
template <class T>
Mode forward_in_mode(const Network<T>& net, const Call<T>& call, int threads, Mode mode) {
  gatecell::write_fp_mode(mode);
  net.forward(call, threads);
  const Mode after = gatecell::read_fp_mode();
  gatecell::write_fp_mode(kDefault);
  return after;
}

// y, computed by this number of threads (or by fewer if the machine has fewer CPUs).
template <class T>
std::vector<T> run_on(const Network<T>& net, const Problem<T>& problem, int threads) {
  CHECK(net.plan(problem.steps, problem.rows, threads).threads() == std::min(threads, gatecell::usable_cpus()));
  return run(net, problem, threads).y;
}

// y of a relu network whose weights are chosen so that y = weight * x.
template <class T>
std::vector<T> product(Isa isa, T weight, T x, int threads) {
  auto problem = random_problem<T>("rnn_relu I=1 H=100 no_bias bidirectional", 100 / work_divisor, 64);
  for (std::size_t i = 0; i < problem.weights.size(); ++i) {  // weight_ih and weight_hh alternate
    std::fill(problem.weights[i].begin(), problem.weights[i].end(), i % 2 ? T(0) : weight);
  }
  std::fill(problem.x.begin(), problem.x.end(), x);
  problem.h_0.clear();
  return run_on(network(problem, isa), problem, threads);
}

// y of an LSTM that keeps c = 2 * the smallest normal number. Only its last operation, o * tanh(c), has a denormal
// result.
template <class T>
std::vector<T> denormal_result(Isa isa, int threads) {
  auto problem = random_problem<T>("lstm I=1 H=100 bidirectional", 100 / work_divisor, 64);
  for (auto& tensor : problem.weights) std::fill(tensor.begin(), tensor.end(), T(0));
  for (const std::size_t bias : {2u, 6u}) {
    std::fill_n(problem.weights[bias].begin() + 100, 100, T(50));  // f = 1
    std::fill_n(problem.weights[bias].begin() + 300, 100, T(-5));  // o = 0.0067
  }
  std::fill(problem.h_0.begin(), problem.h_0.end(), T(0));
  std::fill(problem.c_0.begin(), problem.c_0.end(), 2 * std::numeric_limits<T>::min());
  return run_on(network(problem, isa), problem, threads);
}

template <class T>
bool all_are(T value, const std::vector<T>& values) {
  return !values.empty() && std::all_of(values.begin(), values.end(), [&](T v) { return v == value; });
}

}  // namespace

TEST_CASE_TEMPLATE("a call restores every mode and its flags, and the mode changes no bit", T, float, double) {
  for (const Isa isa : gatecell::available_isas()) {
    for (const Spec& spec : every_cell(hard_sizes)) {
      const auto problem = hard_problem<T>(spec);
      CAPTURE(describe(problem));
      CAPTURE(describe(isa));
      const auto net = network(problem, isa);
      CHECK(net.plan(problem.steps, problem.rows, 2).threads() == std::min(2, gatecell::usable_cpus()));
      const auto expected = run(net, problem);
      for (const Mode mode : kModes) {
        for (const int threads : {1, 2}) {
          CAPTURE(mode);
          CAPTURE(threads);
          Output<T> output;
          const Call<T> call = dense_call(problem, output);
          CHECK(forward_in_mode(net, call, threads, mode) == mode);
          CHECK(same_values(output, expected));
        }
      }
    }
  }
}

TEST_CASE_TEMPLATE("workers started in an unusual mode compute the same bits", T, float, double) {
  const auto problem = hard_problem<T>(every_cell(hard_sizes).front());
  const auto net = network(problem, gatecell::available_isas().front());
  const auto expected = run(net, problem);
  for (const Mode mode : kModes) {
    CAPTURE(mode);
    Output<T> output;
    const Call<T> call = dense_call(problem, output);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {  // the child has no workers yet
      gatecell::write_fp_mode(mode);
      gatecell::WorkerLease(1);  // starts a worker
      const Mode after = forward_in_mode(net, call, 2, mode);
      _exit(after == mode && same_values(output, expected) ? 0 : 1);
    }
    int status = -1;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  }
}

TEST_CASE_TEMPLATE("denormals are zero on every thread", T, float, double) {
  // If the denormal factor were not taken as zero, the product would be a normal number.
  const T tiny = sizeof(T) == 4 ? T(1e-40) : T(1e-310), huge = sizeof(T) == 4 ? T(1e38) : T(1e308);
  REQUIRE(tiny * huge > T(1e-3));
  for (const Isa isa : gatecell::available_isas()) {
    for (const int threads : {1, 2}) {
      CAPTURE(describe(isa));
      CAPTURE(threads);
      CHECK(all_are(T(0), product(isa, tiny, huge, threads)));
      CHECK(all_are(T(0), denormal_result<T>(isa, threads)));
      CHECK(all_are(T(6), product(isa, T(2), T(3), threads)));
    }
  }
}
