// What the kernel benchmarks share: random networks, names, counters and the program around them.
//
// Weights come through the project's own packing and scratch is laid out as in a call, in one block, because where
// arrays lie to each other decides what they cost.
#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
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

// Values within +-bound, drawn anew in every measurement from the same seed.
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

// One layer, initialised as by PyTorch: within 1/sqrt(hidden), so that no gate saturates and no state dies away. Net is
// Network or PackedNetwork.
template <template <class> class Net, class T>
Net<T> random_network(Cell cell, std::ptrdiff_t input, std::ptrdiff_t hidden, Isa isa) {
  gatecell::Spec spec;
  spec.cell = cell;
  spec.input_size = input;
  spec.hidden_size = hidden;
  Random random;
  const double bound = 1 / std::sqrt(static_cast<double>(hidden));
  const std::ptrdiff_t gates = spec.num_gates() * hidden;
  const auto weight_ih = random.values<T>(gates * input, bound), weight_hh = random.values<T>(gates * hidden, bound);
  const auto bias_ih = random.values<T>(gates, bound), bias_hh = random.values<T>(gates, bound);
  return Net<T>(spec, {{weight_ih.data(), weight_hh.data(), bias_ih.data(), bias_hh.data()}}, isa);
}

// lay_out(allocator) runs twice, first to measure.
template <class F>
gatecell::Allocation allocate(const F& lay_out) {
  gatecell::BumpAllocator measure;
  lay_out(measure);
  gatecell::Allocation block = gatecell::allocate_memory(measure.used());
  gatecell::BumpAllocator allocator(block.get(), measure.used());
  lay_out(allocator);
  return block;
}

// Per second: multiply-adds of the products at two operations each, and weights, read once whatever the rows; of so
// many matrices of one size.
template <class T>
void count_products(benchmark::State& state, const gatecell::PanelShape& weights, std::ptrdiff_t rows,
                    int matrices = 1) {
  const auto per_second = [](double n) { return benchmark::Counter(n, benchmark::Counter::kIsIterationInvariantRate); };
  const auto size = static_cast<double>(weights.size() * matrices);
  state.counters["GFLOP"] = per_second(1e-9 * 2 * size * static_cast<double>(rows));
  state.counters["GB"] = per_second(1e-9 * size * sizeof(T));
}

// A measurement whose numbers died away or exploded is reported as an error.
template <class T>
void expect_normal(benchmark::State& state, const T* values, std::ptrdiff_t count) {
  if (!std::all_of(values, values + count, [](T value) { return std::isnormal(value); })) {
    state.SkipWithError("a result is zero, denormal, infinite or NaN");
  }
}

// Registers kernel/cell/ISA/type/shape for every cell and every ISA of this machine. An iteration is one call of the
// kernel; times are CPU time, so that other programs disturb less.
template <class T, class Shape>
void add(const std::string& kernel, void (*measure)(benchmark::State&, Cell, Isa, Shape),
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

// The program, once benchmarks are registered.
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
