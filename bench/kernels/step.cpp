// Measures one time step. Each step continues with the state of the step before. `step` adds the recurrent products to
// projected pre-activations and computes the new state. `fused` also computes the input products, with as large an
// input as h. `finish` is a step without products: activations, loads and stores.
#include "harness.h"
#include "kernels/table.h"
#include "runtime/fp_mode.h"

namespace {

using bench::Cell;
using bench::Isa;

struct Shape {
  std::ptrdiff_t hidden, rows;
  std::string name() const { return "H:" + std::to_string(hidden) + "/rows:" + std::to_string(rows); }
};

// Takes steps with the same arrays as a DirectionRun.
template <class T>
class Stepper {
 public:
  Stepper(Cell cell, Isa isa, Shape shape)
      : net_(bench::random_network<gatecell::PackedNetwork, T>(cell, shape.hidden, shape.hidden, isa)) {
    const gatecell::PackedDirection<T>& weights = net_.directions.front();
    const std::ptrdiff_t stride = weights.hidden_stride(),
                         pre_activations = weights.input.padded_units() * weights.input.num_gates;
    args.panels = &weights.recurrent_panels;
    args.recurrent_bias = weights.recurrent_bias;
    args.last_block = weights.recurrent.blocks;
    args.depth = weights.recurrent.depth;
    args.input_panels = &weights.input_panels;
    args.bias = weights.bias;
    args.input_depth = args.x_row = shape.hidden;
    args.rows = shape.rows;
    args.projected_row = pre_activations;
    args.h_row = args.h_next_row = stride;
    args.c_row = cell == Cell::lstm ? stride : 0;
    args.y_row = args.units = shape.hidden;
    scratch_ = bench::allocate([&](gatecell::BumpAllocator& allocator) {
      h_ = allocator.allocate<T>(shape.rows * stride);
      args.h_next = allocator.allocate<T>(shape.rows * stride);
      args.c = cell == Cell::lstm ? allocator.allocate<T>(shape.rows * stride) : nullptr;
      projected_ = allocator.allocate<T>(shape.rows * pre_activations);
      x_ = allocator.allocate<T>(shape.rows * shape.hidden);
      args.y = allocator.allocate<T>(shape.rows * shape.hidden);
    });
    args.h = h_;
    args.projected = projected_;
    args.x = x_;
    bench::Random random;
    random.fill(x_, shape.rows * shape.hidden, 1);
    random.fill(h_, shape.rows * stride, 1);
    if (args.c) random.fill(args.c, shape.rows * stride, 1);
    random.fill(projected_, shape.rows * pre_activations, 1);
  }

  void step() {
    net_.cell.step(args);
    std::swap(h_, args.h_next);
    args.h = h_;
  }

  const gatecell::PanelShape& weights() const { return net_.directions.front().recurrent; }

  gatecell::StepArgs<T> args{};

 private:
  gatecell::PackedNetwork<T> net_;
  gatecell::Allocation scratch_;
  T *h_ = nullptr, *projected_ = nullptr, *x_ = nullptr;
};

template <class T>
void time_steps(benchmark::State& state, Stepper<T>& stepper) {
  const gatecell::FpMode mode;
  for (auto _ : state) {
    stepper.step();
    benchmark::DoNotOptimize(stepper.args.h);
    benchmark::ClobberMemory();
  }
  bench::expect_normal(state, stepper.args.y, stepper.args.rows * stepper.args.y_row);
}

template <class T>
void measure_step(benchmark::State& state, Cell cell, Isa isa, Shape shape) {
  Stepper<T> stepper(cell, isa, shape);
  time_steps(state, stepper);
  bench::count_products(state, stepper.weights(), shape.rows);
}

template <class T>
void measure_fused(benchmark::State& state, Cell cell, Isa isa, Shape shape) {
  Stepper<T> stepper(cell, isa, shape);
  stepper.args.projected = nullptr;
  time_steps(state, stepper);
  bench::count_products(state, stepper.weights(), shape.rows, 2);
}

template <class T>
void measure_finish(benchmark::State& state, Cell cell, Isa isa, Shape shape) {
  Stepper<T> stepper(cell, isa, shape);
  stepper.args.depth = 0;
  time_steps(state, stepper);
  const auto vectors = static_cast<double>(stepper.args.last_block * shape.rows);
  state.counters["vector"] =
      benchmark::Counter(vectors, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<Shape> shapes;
  for (const std::ptrdiff_t hidden : {16, 64, 128, 256, 512, 1024}) shapes.push_back({hidden, 1});
  for (const std::ptrdiff_t rows : {2, 3, 4, 6, 7, 8, 9, 32}) shapes.push_back({256, rows});
  for (const std::ptrdiff_t rows : {4, 8, 32})
    shapes.insert(shapes.end(), {{64, rows}, {128, rows}, {512, rows}, {1024, rows}});
  const std::vector<Shape> wide = {{256, 1}, {256, 8}}, finish = {{256, 8}};
  bench::register_kernel<float>("step", measure_step<float>, shapes);
  bench::register_kernel<double>("step", measure_step<double>, wide);
  bench::register_kernel<float>("fused", measure_fused<float>,
                                std::vector<Shape>{{64, 1}, {256, 1}, {128, 8}, {256, 32}});
  bench::register_kernel<float>("finish", measure_finish<float>, finish);
  bench::register_kernel<double>("finish", measure_finish<double>, finish);
  return bench::run(argc, argv);
}
