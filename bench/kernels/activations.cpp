// Measures sigmoid and tanh on arrays that stay in the L1 cache. `finish` in step.cpp measures them as a cell uses
// them.
#include "harness.h"
#include "kernels/table.h"
#include "runtime/dispatch.h"
#include "runtime/fp_mode.h"

namespace {

template <class T>
using Function = void (*)(const T*, T*, std::ptrdiff_t);

template <class T>
void measure(benchmark::State& state, Function<T> function, int lanes) {
  constexpr std::ptrdiff_t count = 1024;
  T *x = nullptr, *y = nullptr;
  const gatecell::Allocation scratch = bench::allocate([&](gatecell::BumpAllocator& allocator) {
    x = allocator.allocate<T>(count);
    y = allocator.allocate<T>(count);
  });
  bench::Random().fill(x, count, 8);
  const gatecell::FpMode mode;
  for (auto _ : state) {
    function(x, y, count);
    benchmark::DoNotOptimize(y);
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * count);
  state.counters["vector"] =
      benchmark::Counter(count / lanes, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
  bench::expect_normal(state, y, count);
}

template <class T>
void register_functions(gatecell::Isa isa, const gatecell::Kernels<T>& kernels) {
  const std::string suffix = std::string("/") + gatecell::name(isa) + "/" + bench::kTypeName<T>;
  benchmark::RegisterBenchmark(("sigmoid" + suffix).c_str(), measure<T>, kernels.sigmoid, kernels.lanes);
  benchmark::RegisterBenchmark(("tanh" + suffix).c_str(), measure<T>, kernels.tanh, kernels.lanes);
}

}  // namespace

int main(int argc, char** argv) {
  for (const gatecell::Isa isa : gatecell::available_isas()) {
    register_functions(isa, gatecell::kernel_table(isa).float32);
    register_functions(isa, gatecell::kernel_table(isa).float64);
  }
  return bench::run(argc, argv);
}
