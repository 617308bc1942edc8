// What all kernel benchmarks use: random networks, names, counters and the main program.
//
// Weights are packed by the library, and scratch memory is one allocation as in a call, because the relative positions
// of arrays in memory change the time of a kernel.
#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "gatecell/build_info.h"
#include "gatecell/isa.h"
#include "gatecell/network.h"
#include "pack/packed.h"
#include "runtime/memory.h"

namespace bench {

using gatecell::Cell;
using gatecell::Isa;

template <class T>
constexpr const char* kTypeName = sizeof(T) == sizeof(float) ? "float32" : "float64";

// Draws values within +-bound. Every measurement uses the same seed.
class Random {
 public:
  template <class T>
  void fill(T* to, std::ptrdiff_t count, double bound) {
    std::uniform_real_distribution<T> uniform(static_cast<T>(-bound), static_cast<T>(bound));
    std::generate_n(to, count, [&] { return uniform(engine_); });
  }

  template <class T>
  std::vector<T> values(std::ptrdiff_t count, double bound) {
    std::vector<T> values(static_cast<std::size_t>(count));
    fill(values.data(), count, bound);
    return values;
  }

 private:
  std::minstd_rand engine_;
};

// A network of one layer, initialised as by PyTorch: within +-1/sqrt(hidden), so that no gate saturates and the state
// does not become zero. Net is Network or PackedNetwork.
template <template <class> class Net, class T>
Net<T> random_network(Cell cell, std::ptrdiff_t input, std::ptrdiff_t hidden, Isa isa) {
  gatecell::Spec spec;
  spec.cell = cell;
  spec.input_size = input;
  spec.hidden_size = hidden;
  Random random;
  const double bound = 1 / std::sqrt(static_cast<double>(hidden));
  gatecell::DirectionWeights<T> weights;
  std::list<std::vector<T>> values;
  for (const auto& [name, shape] : gatecell::weight_shapes(spec, 0)) {
    const auto count = std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
    values.push_back(random.values<T>(static_cast<std::ptrdiff_t>(count), bound));
    *weights.find(name) = values.back().data();
  }
  return Net<T>(spec, {weights}, isa);
}

// Runs lay_out(allocator) twice: first to measure, then on an allocation of that size.
template <class F>
gatecell::Allocation allocate(const F& lay_out) {
  gatecell::BumpAllocator measure;
  lay_out(measure);
  gatecell::Allocation allocation = gatecell::allocate_memory(measure.used());
  gatecell::BumpAllocator allocator(allocation.get(), measure.used());
  lay_out(allocator);
  return allocation;
}

// Sets two counters per second: the operations of the products (a multiply-add is two), and the bytes of the weights,
// which are read once for all rows. `matrices` is the number of weight matrices of this size.
inline void count_products(benchmark::State& state, const gatecell::PanelShape& weights, std::ptrdiff_t rows,
                           int matrices = 1) {
  const auto per_second = [](double n) { return benchmark::Counter(n, benchmark::Counter::kIsIterationInvariantRate); };
  const auto size = static_cast<double>(weights.weights() * matrices);
  const auto bytes = static_cast<double>(weights.bytes() * matrices);
  state.counters["GFLOP"] = per_second(1e-9 * 2 * size * static_cast<double>(rows));
  state.counters["GB"] = per_second(1e-9 * bytes);
}

// Reports an error if a result is not a normal number.
template <class T>
void expect_normal(benchmark::State& state, const T* values, std::ptrdiff_t count) {
  if (!std::all_of(values, values + count, [](T value) { return std::isnormal(value); })) {
    state.SkipWithError("a result is zero, denormal, infinite or NaN");
  }
}

// Registers kernel/cell/ISA/type/shape for every cell and every ISA of this machine. An iteration is one call of the
// kernel. Times are CPU times, on which other programs have a smaller effect.
template <class T, class Shape>
void register_kernel(const std::string& kernel, void (*measure)(benchmark::State&, Cell, Isa, Shape),
                     const std::vector<Shape>& shapes) {
  const std::pair<const char*, Cell> cells[] = {{"lstm", Cell::lstm}, {"gru", Cell::gru}, {"rnn", Cell::rnn_tanh}};
  for (const auto& [cell_name, cell] : cells) {
    for (const Isa isa : gatecell::available_isas()) {
      for (const Shape& shape : shapes) {
        const std::string name =
            kernel + "/" + cell_name + "/" + gatecell::name(isa) + "/" + kTypeName<T> + "/" + shape.name();
        benchmark::RegisterBenchmark(name.c_str(), measure, cell, isa, shape)->Unit(benchmark::kNanosecond);
      }
    }
  }
}

// The main program. Benchmarks must be registered before.
inline int run(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  const gatecell::BuildInfo build = gatecell::build_info();
  benchmark::AddCustomContext("gatecell", build.version + " " + build.commit);
  benchmark::AddCustomContext("compiler", build.compiler);
  benchmark::AddCustomContext("eigen", build.eigen);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}

}  // namespace bench
