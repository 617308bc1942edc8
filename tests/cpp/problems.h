// Random networks, functions that run them, and promise 1's bound on the difference from the reference.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "gatecell/network.h"
#include "reference.h"
#include "runtime/instruction_sets.h"
#include "specs.h"

namespace problems {

using gatecell::Call;
using gatecell::Isa;
using gatecell::Network;
using reference::Output;
using reference::Problem;

// Divides the number of steps, rounds or arguments of long tests. It is 10 in an emulator, which takes 50 times as long
// as the processor. Every test still runs.
inline const std::int64_t work_divisor = std::getenv("GATECELL_TEST_SHORT") ? 10 : 1;

// The size of weights. standard: as torch's default initialisation. large: four times as large; only for a few steps,
// because such a network becomes chaotic. saturated: biases and the first layer's weight_ih are 20 times as large.
enum class Scale { standard, large, saturated };

// The instruction sets of this machine that have fused multiply-add, or those that lack it. They give the same bits.
inline std::vector<Isa> alike_isas(bool is_fused) {
  std::vector<Isa> isas = gatecell::available_isas();
  const auto differs = [=](Isa isa) { return gatecell::info(isa).is_fused != is_fused; };
  isas.erase(std::remove_if(isas.begin(), isas.end(), differs), isas.end());
  return isas;
}

// The number of values in a vector register. Kernels treat sizes below and above multiples of it differently.
template <class T>
std::int64_t lanes(Isa isa) {
  return gatecell::info(isa).vector_bytes / static_cast<std::int64_t>(sizeof(T));
}

template <class T>
Problem<T> random_problem(const Spec& spec, std::int64_t steps, std::int64_t rows, Scale scale = Scale::standard,
                          unsigned seed = 1) {
  std::mt19937 engine(seed);
  const auto fill = [&](std::int64_t count, double bound) {
    std::uniform_real_distribution<double> uniform(-bound, bound);
    std::vector<T> values(static_cast<std::size_t>(count));
    for (T& value : values) value = static_cast<T>(uniform(engine));
    return values;
  };
  const double bound = (scale == Scale::large ? 4 : 1) / std::sqrt(static_cast<double>(spec.hidden_size));
  const double outer = (scale == Scale::saturated ? 20 : 1) * bound;
  const std::int64_t state_rows = spec.direction_runs() * rows;

  Problem<T> problem{spec, steps, rows, {}, {}, {}, {}};
  for (std::int64_t run = 0; run < spec.direction_runs(); ++run) {
    const std::int64_t layer = run / spec.num_directions();
    for (const auto& [name, shape] : gatecell::weight_shapes(spec, layer)) {
      const bool is_outer = name.rfind("bias", 0) == 0 || (layer == 0 && name == "weight_ih");
      problem.weights.push_back(fill(reference::product(shape), is_outer ? outer : bound));
    }
  }
  problem.x = fill(steps * rows * spec.input_size, 2);
  problem.h_0 = fill(state_rows * spec.state_size(), 1);
  problem.c_0 = fill(spec.cell == Cell::lstm ? state_rows * spec.hidden_size : 0, 1);
  return problem;
}

template <class T>
Problem<T> random_problem(const std::string& spec, std::int64_t steps, std::int64_t rows, Scale scale = Scale::standard,
                          unsigned seed = 1) {
  return random_problem<T>(parse_spec(spec), steps, rows, scale, seed);
}

template <class T>
Network<T> network(const Problem<T>& problem, Isa isa) {
  return Network<T>(problem.spec, reference::views(problem), isa);
}

// A call on contiguous arrays. Resizes the arrays of `output`.
template <class T>
Call<T> dense_call(const Problem<T>& problem, Output<T>& output) {
  const Spec& spec = problem.spec;
  const std::int64_t state_rows = spec.direction_runs() * problem.rows;
  const auto unset = [](std::int64_t count) {
    return std::vector<T>(static_cast<std::size_t>(count), std::numeric_limits<T>::infinity());
  };
  output.y = unset(problem.steps * problem.rows * spec.output_size());
  output.h_n = unset(state_rows * spec.state_size());
  output.c_n = unset(spec.cell == Cell::lstm ? state_rows * spec.hidden_size : 0);
  Call<T> call;
  call.steps = problem.steps;
  call.rows = problem.rows;
  call.x = problem.x.data();
  call.x_step = problem.rows * spec.input_size;
  call.x_row = spec.input_size;
  call.h_0 = problem.h_0.empty() ? nullptr : problem.h_0.data();
  call.c_0 = problem.c_0.empty() ? nullptr : problem.c_0.data();
  call.y = output.y.data();
  call.y_step = problem.rows * spec.output_size();
  call.y_row = spec.output_size();
  call.h_n = output.h_n.data();
  call.c_n = output.c_n.empty() ? nullptr : output.c_n.data();
  return call;
}

// Runs one call. `how` is the number of threads, or a plan.
template <class T, class How = int>
Output<T> run(const Network<T>& net, const Problem<T>& problem, const How& how = 1) {
  Output<T> output;
  net.forward(dense_call(problem, output), how);
  return output;
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

template <class T>
bool same_bits(const Output<T>& a, const Output<T>& b) {
  return same_bits(a.y, b.y) && same_bits(a.h_n, b.h_n) && same_bits(a.c_n, b.c_n);
}

// Whether all values have the same bits or are both NaN. If both operands of an operation are NaN, the result depends
// on the operand order that the compiler has chosen.
template <class T>
bool same_values(const std::vector<T>& a, const std::vector<T>& b) {
  const auto same = [](T u, T v) { return std::memcmp(&u, &v, sizeof u) == 0 || (std::isnan(u) && std::isnan(v)); };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), same);
}

template <class T>
bool same_values(const Output<T>& a, const Output<T>& b) {
  return same_values(a.y, b.y) && same_values(a.h_n, b.h_n) && same_values(a.c_n, b.c_n);
}

// The part [:, first:first+count, :] of an array (outer, middle, width).
template <class T>
std::vector<T> middle_slice(const std::vector<T>& array, std::int64_t outer, std::int64_t middle, std::int64_t width,
                            std::int64_t first, std::int64_t count) {
  std::vector<T> result;
  for (std::int64_t i = 0; i < outer && !array.empty(); ++i) {
    const auto begin = array.begin() + (i * middle + first) * width;
    result.insert(result.end(), begin, begin + count * width);
  }
  return result;
}

template <class T>
Problem<T> rows_of(const Problem<T>& problem, std::int64_t first, std::int64_t count) {
  const std::int64_t layers = problem.spec.direction_runs(), rows = problem.rows;
  Problem<T> some = problem;
  some.rows = count;
  some.x = middle_slice(problem.x, problem.steps, rows, problem.spec.input_size, first, count);
  some.h_0 = middle_slice(problem.h_0, layers, rows, problem.spec.state_size(), first, count);
  some.c_0 = middle_slice(problem.c_0, layers, rows, problem.spec.hidden_size, first, count);
  return some;
}

template <class T>
Output<T> rows_of(const Output<T>& output, const Problem<T>& problem, std::int64_t first, std::int64_t count) {
  const std::int64_t layers = problem.spec.direction_runs(), rows = problem.rows;
  return {middle_slice(output.y, problem.steps, rows, problem.spec.output_size(), first, count),
          middle_slice(output.h_n, layers, rows, problem.spec.state_size(), first, count),
          middle_slice(output.c_n, layers, rows, problem.spec.hidden_size, first, count)};
}

// The largest |actual - exact| / bound(exact). Infinite if sizes, NaN or infinities differ.
template <class T, class Bound>
double largest_ratio(const std::vector<T>& actual, const std::vector<double>& exact, Bound bound) {
  if (actual.size() != exact.size()) return std::numeric_limits<double>::infinity();
  double largest = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    const double value = static_cast<double>(actual[i]);
    if (value == exact[i] || (std::isnan(value) && std::isnan(exact[i]))) continue;
    const double ratio = std::abs(value - exact[i]) / bound(exact[i]);
    largest = std::max(largest, std::isfinite(ratio) ? ratio : std::numeric_limits<double>::infinity());
  }
  return largest;
}

template <class T, class Bound>
double largest_ratio(const Output<T>& actual, const Output<double>& exact, Bound bound) {
  return std::max({largest_ratio(actual.y, exact.y, bound), largest_ratio(actual.h_n, exact.h_n, bound),
                   largest_ratio(actual.c_n, exact.c_n, bound)});
}

template <class T>
double largest_difference(const Output<T>& actual, const Output<double>& exact) {
  return largest_ratio(actual, exact, [](double) { return 1.0; });
}

// The largest |value|, at least 1.
inline double magnitude(const Output<double>& exact) {
  double largest = 1;
  for (const auto* values : {&exact.y, &exact.h_n, &exact.c_n}) {
    for (const double value : *values) largest = std::max(largest, std::abs(value));
  }
  return largest;
}

// The error divided by the error that promise 1 allows. own_error is the error of another float32 implementation.
template <class T>
double error_ratio(const Output<T>& actual, const Output<double>& exact, double own_error) {
  return largest_ratio(actual, exact, [&](double value) {
    const double size = std::max(1.0, std::abs(value));
    return sizeof(T) == 4 ? 4 * std::max(own_error, 2.5e-7 * size) : 4e-13 * size;
  });
}

inline std::string describe(Isa isa) { return gatecell::name(isa); }

template <class T>
std::string describe(const Problem<T>& problem) {
  return describe(problem.spec) + " T=" + std::to_string(problem.steps) + " B=" + std::to_string(problem.rows) +
         (sizeof(T) == 4 ? " float32" : " float64");
}

}  // namespace problems
