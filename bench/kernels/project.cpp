// Measures project: the input products W_ih x + bias of `rows` time steps or rows of the batch. A usual chunk has 100.
#include "harness.h"
#include "kernels/table.h"
#include "runtime/fp_mode.h"

namespace {

using bench::Cell;
using bench::Isa;

struct Shape {
  std::ptrdiff_t input, hidden, rows;
  std::string name() const {
    return "I:" + std::to_string(input) + "/H:" + std::to_string(hidden) + "/rows:" + std::to_string(rows);
  }
};

template <class T>
void measure(benchmark::State& state, Cell cell, Isa isa, Shape shape) {
  const auto net = bench::random_network<gatecell::PackedNetwork, T>(cell, shape.input, shape.hidden, isa);
  const gatecell::PackedDirection<T>& weights = net.directions.front();
  T* x = nullptr;
  gatecell::ProjectArgs<T> args{};
  args.panels = weights.input_panels;
  args.start = weights.bias;
  args.block_step = weights.input.num_gates * weights.input.lanes;
  args.last_block = weights.input.blocks;
  args.depth = weights.input.depth;
  args.rows = shape.rows;
  args.x_row = shape.input;
  args.out_row = weights.input.padded_units() * weights.input.num_gates;
  const gatecell::Allocation scratch = bench::allocate([&](gatecell::BumpAllocator& allocator) {
    args.x = x = allocator.allocate<T>(shape.rows * args.x_row);
    args.out = allocator.allocate<T>(shape.rows * args.out_row);
  });
  bench::Random().fill(x, shape.rows * args.x_row, 1);
  const gatecell::FpMode mode;
  for (auto _ : state) {
    net.cell.project(args);
    benchmark::DoNotOptimize(args.out);
    benchmark::ClobberMemory();
  }
  bench::count_products(state, weights.input, shape.rows);
  bench::expect_normal(state, args.out, shape.rows * args.out_row);
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<Shape> shapes = {{1, 64, 100}};  // one feature, as in audio: stores take most of the time
  for (const std::ptrdiff_t hidden : {16, 64, 256, 1024}) {
    for (const std::ptrdiff_t rows : {1, 8, 100}) shapes.push_back({hidden, hidden, rows});
  }
  bench::register_kernel<float>("project", measure<float>, shapes);
  bench::register_kernel<double>("project", measure<double>, std::vector<Shape>{{256, 256, 1}, {256, 256, 100}});
  return bench::run(argc, argv);
}
