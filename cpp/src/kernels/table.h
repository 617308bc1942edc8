// What an instruction set offers to the layers above: one table of plain function pointers.
//
// Shared by objects compiled with different flags, so it holds plain data only: an inline function here could be
// emitted with AVX-512 instructions and then be the copy that every other object runs.
#pragma once

#include <cstddef>

namespace gatecell {

// Lanes: scalars in a vector register (W). Block: W hidden units. A panel holds the weights of one block, for each k
// the W lanes of every gate side by side, [k][gate][W]; the panels of a matrix follow each other, [block][k][gate][W].

// Gate pre-activations from one input: out = start + W x, one chain of multiply-adds per number, in k order.
template <class T>
struct ProjectArgs {
  const T* panels;                         // [blocks][depth][gates][W]
  const T* start;                          // row r: start + r * start_row, [blocks][gates][W]
  std::ptrdiff_t start_row;                // 0: a bias, the same for all rows
  std::ptrdiff_t block_step;               // in start and out, from block to block: gates * W or more
  std::ptrdiff_t first_block, last_block;  // up to last_block - 1; others are another thread's
  std::ptrdiff_t depth;                    // input features
  std::ptrdiff_t rows;
  const T* x;  // row r, feature k: x[r * x_row + k], with an index x[x_index[r] + k]
  std::ptrdiff_t x_row;
  const std::ptrdiff_t* x_index;
  T* out;  // row r: out + r * out_row, [blocks][gates][W], aligned; may be start
  std::ptrdiff_t out_row;
  bool backwards;  // as in StepArgs
};

// What a direction of a cell that PyTorch has not needs as well (cells in textbook.h).
template <class T>
struct Extras {
  const T* candidate_panels;    // GRU's W_hn, [blocks][depth][W]; `panels` has W_hr and W_hz only
  const T* peepholes[3];        // of i f o, [blocks][W] each; null: none
  const T* peephole_panels[3];  // of i f o, [blocks][units][W] each; null: none
  T gate_clip, cell_clip;       // what bounds gates' sums and c; infinite: nothing
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
  T* c;                  // cell state in whole blocks, aligned, updated in place but for Extras; null without c
  std::ptrdiff_t c_row;  // 0 without c
  T* y;                  // null, or where the `units` real features of h(t) go as well; any alignment
  std::ptrdiff_t y_row;
  const std::ptrdiff_t* y_index;  // row r goes to y + y_index[r]; null: y + r * y_row
  std::ptrdiff_t units;           // hidden units, at most blocks * W
  bool backwards;           // one row: from the last block to the first, where the step before left the cache warm
  bool relu;                // what a simple RNN has instead of tanh
  const Extras<T>* extras;  // this and what follows is for the cells of textbook.h
  T* sums;                  // room for the gates of a step, row r: sums + r * sums_row, [blocks][gates][W]
  std::ptrdiff_t sums_row;
  T* c_next;   // c(t), c itself unless other blocks read c(t-1) meanwhile
  T* reset_h;  // GRU: r * h(t-1), or the product with h(t-1) before r; rows as in h_next
};

template <class T>
struct CellKernels {
  void (*project)(const ProjectArgs<T>&);
  void (*reset)(const StepArgs<T>&);  // what all threads must have done before any of them begins the step; or null
  void (*step)(const StepArgs<T>&);
};

template <class T>
struct Kernels {
  int lanes;
  CellKernels<T> lstm, gru, rnn;  // PyTorch's
  CellKernels<T> textbook_lstm, coupled_lstm, reset_before_gru, no_reset_gru, clipped_gru, clipped_rnn;
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
const gatecell::KernelTable* gatecell_kernels_neon();
}
