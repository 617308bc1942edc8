// What an instruction set offers to the layers above: one table of plain function pointers.
//
// Shared by objects compiled with different flags, so it holds plain data only: an inline function here could be
// emitted with AVX-512 instructions and then be the copy that every other object runs.
#pragma once

#include <cstddef>

namespace gatecell {

// Lanes: scalars in a vector register (W). Block: W hidden units. A panel holds the weights of one block, for each k
// the W lanes of every gate side by side, [k][gate][W]; the panels of a matrix follow each other, [block][k][gate][W].

// Gate pre-activations from one input: out = bias + W x, one chain of multiply-adds per number, in k order.
template <class T>
struct ProjectArgs {
  const T* panels;                         // [blocks][depth][gates][W]
  const T* bias;                           // [blocks][gates][W]
  std::ptrdiff_t first_block, last_block;  // up to last_block - 1; others are another thread's
  std::ptrdiff_t depth;                    // input features
  std::ptrdiff_t rows;
  const T* x;  // row r, feature k: x[r * x_row + k], with an index x[x_index[r] + k]
  std::ptrdiff_t x_row;
  const std::ptrdiff_t* x_index;
  T* out;  // row r: out + r * out_row, [blocks][gates][W], aligned
  std::ptrdiff_t out_row;
};

// One time step: each chain begins with the input, projected before or here, goes on with W h, and the cell is
// finished.
template <class T>
struct StepArgs {
  const T* panels;          // [blocks][depth][gates][W]
  const T* recurrent_bias;  // [blocks][W], where a chain starts with a bias of its own (GRU's b_hn); else null
  std::ptrdiff_t first_block, last_block;  // up to last_block - 1; others are another thread's
  std::ptrdiff_t depth;                    // features of h
  std::ptrdiff_t rows;
  const T* projected;  // row r: projected + r * projected_row, [blocks][gates][W]; null: computed here from x
  std::ptrdiff_t projected_row;
  const T* input_panels;  // as in ProjectArgs, where projected is null
  const T* bias;
  std::ptrdiff_t input_depth;
  const T* x;
  std::ptrdiff_t x_row;
  const std::ptrdiff_t* x_index;
  const T* h;  // h(t-1), row r: h + r * h_row; read while h_next is written, so never the same buffer
  std::ptrdiff_t h_row;
  T* h_next;  // h(t) in whole blocks, aligned
  std::ptrdiff_t h_next_row;
  T* c;                  // cell state in whole blocks, aligned, updated in place; null without c
  std::ptrdiff_t c_row;  // 0 without c
  T* y;                  // null, or where the `units` real features of h(t) go as well; any alignment
  std::ptrdiff_t y_row;
  const std::ptrdiff_t* y_index;  // row r goes to y + y_index[r]; null: y + r * y_row
  std::ptrdiff_t units;           // hidden units, at most blocks * W
  bool backwards;  // one row: from the last block to the first, where the step before left the cache warm
};

template <class T>
struct CellKernels {
  void (*project)(const ProjectArgs<T>&);
  void (*step)(const StepArgs<T>&);
};

template <class T>
struct Kernels {
  int lanes;
  CellKernels<T> lstm, gru, rnn_tanh, rnn_relu;
  void (*project_hidden)(const ProjectArgs<T>&);  // a matrix without gates: LSTM's projection W_hr
  // y[i] = f(x[i]), for tests and benchmarks; n is a multiple of lanes.
  void (*sigmoid)(const T* x, T* y, std::ptrdiff_t n);
  void (*tanh)(const T* x, T* y, std::ptrdiff_t n);
};

struct KernelTable {
  Kernels<float> float32;
  Kernels<double> float64;
  const char* isa;    // its name, as in isa.h
  const char* eigen;  // version of Eigen it was compiled with
  const char* flags;  // compiler flags of this ISA
};

}  // namespace gatecell

// One per ISA object, and the only symbol it defines.
extern "C" {
const gatecell::KernelTable* gatecell_kernels_sse2();
const gatecell::KernelTable* gatecell_kernels_avx2();
const gatecell::KernelTable* gatecell_kernels_avx512();
}
