// Measures what one time step costs a user of the C++ interface: one row, I=1, one thread. Each step continues with the
// state of the step before. A Stream keeps the state itself; Network::forward with T=1 has it in arrays.
#include "gatecell/stream.h"
#include "harness.h"

namespace {

using bench::Cell;
using bench::Isa;

struct Shape {
  std::ptrdiff_t hidden;
  std::string name() const { return "H:" + std::to_string(hidden); }
};

template <class T>
void measure_stream(benchmark::State& state, Cell cell, Isa isa, Shape shape) {
  gatecell::Stream<T> stream(bench::random_network<gatecell::Network, T>(cell, 1, shape.hidden, isa));
  std::vector<T> y(static_cast<std::size_t>(shape.hidden));
  const T x = T(0.5);
  for (auto _ : state) {
    stream.step(&x, y.data());
    benchmark::DoNotOptimize(y.data());
    benchmark::ClobberMemory();
  }
  bench::expect_normal(state, y.data(), shape.hidden);
}

template <class T>
void measure_network(benchmark::State& state, Cell cell, Isa isa, Shape shape) {
  const auto net = bench::random_network<gatecell::Network, T>(cell, 1, shape.hidden, isa);
  bench::Random random;
  const auto values = [&] { return random.values<T>(shape.hidden, 1); };
  std::vector<T> h = values(), h_next = h, c = values(), c_next = c, y = h;
  const T x = T(0.5);
  gatecell::Call<T> call;
  call.steps = call.rows = 1;
  call.x = &x;
  call.x_step = call.x_row = 1;
  call.y = y.data();
  call.y_step = call.y_row = shape.hidden;
  for (auto _ : state) {
    call.h_0 = h.data();
    call.c_0 = c.data();
    call.h_n = h_next.data();
    call.c_n = c_next.data();
    net.forward(call, 1);
    std::swap(h, h_next);
    std::swap(c, c_next);
    benchmark::DoNotOptimize(y.data());
    benchmark::ClobberMemory();
  }
  bench::expect_normal(state, y.data(), shape.hidden);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<Shape> shapes = {{16}, {32}, {64}, {128}, {256}};
  bench::register_kernel<float>("stream_step", measure_stream<float>, shapes);
  bench::register_kernel<float>("network_step", measure_network<float>, shapes);
  bench::register_kernel<double>("stream_step", measure_stream<double>, std::vector<Shape>{{16}, {64}});
  return bench::run(argc, argv);
}
