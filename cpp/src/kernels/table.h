// What an instruction set offers to the layers above: one table of plain function pointers.
//
// Objects compiled with different flags share this header, so it holds plain data only. The compiler could emit an
// inline function here with AVX-512 instructions, and the linker could keep that copy for every other object.
#pragma once

#include <cstddef>

namespace gatecell {

// The kernels of a step, one for each kind of cell. The last enumerator is their number.
enum class CellKernel {
  lstm,
  gru,
  rnn,
  extended_lstm,
  coupled_lstm,
  reset_before_gru,
  no_reset_gru,
  clipped_gru,
  clipped_rnn,
  count
};

// How weights are stored in panels. The last enumerator is the number of weight types.
enum class WeightType {
  native,  // in the type of the arithmetic
  count
};

// W is the number of lanes: scalars in a vector register. A block is W hidden units. A panel holds the weights of one
// block, [k][gate][W]. Or it consists of strips, which have some of the gates each: [strip][k][gate of the strip][W].
// The panels of a matrix follow each other. Pre-activations and biases are [block][gate][W].
constexpr int kMostGates = 4;  // of a cell

// A packed matrix. The weight type of a kernel says what the panels consist of.
struct Panels {
  const void* weights;        // null: there is no such matrix
  const float* lane_vectors;  // [blocks][vectors][gates][W]; null if the weight type has none
  bool has_strips;
  // Distances in weights: from block to block, from the gates of a strip to those of the next strip, and from k to k.
  std::ptrdiff_t panel_step, strip_step, k_step;
};

// The format of panels.
struct PanelFormat {
  int lanes;         // W
  int weight_bytes;  // of one weight
  int lane_vectors;  // the number of vectors of a block beside its panel. They have a number for each matrix row, such
                     // as a scale.
  int strip_gates[kMostGates + 1];  // the gates of a strip, by the number of gates of the matrix
};

// Pre-activations from one input: out = start + W x. Each is one chain of multiply-adds in k order, or several for
// large matrices (arithmetic.h).
template <class T>
struct ProjectArgs {
  Panels panels;                           // W
  const T* start;                          // row r: start + r * start_row, [blocks][gates][W]
  std::ptrdiff_t start_row;                // 0: a bias, the same for all rows
  std::ptrdiff_t block_step;               // in start and out, from block to block: gates * W or more
  std::ptrdiff_t first_block, last_block;  // computes blocks first_block ... last_block-1
  std::ptrdiff_t depth;                    // input features
  std::ptrdiff_t rows;
  const T* x;  // row r, feature k: x[r * x_row + k], or with an index x[x_index[r] + k]
  std::ptrdiff_t x_row;
  const std::ptrdiff_t* x_index;
  T* out;  // row r: out + r * out_row, [blocks][gates][W], aligned; may be the same as start
  std::ptrdiff_t out_row;
  bool backwards;  // as in StepArgs
};

// What only extended cells need, for one direction of a layer (extended_cells.h).
template <class T>
struct ExtendedArgs {
  Panels candidate_panels;    // GRU's W_hn, one gate; `panels` then has W_hr and W_hz only
  const T* peepholes[3];      // of i f o, [blocks][W] each; null: none
  Panels peephole_panels[3];  // of i f o, one gate each; null: none
  T gate_clip, cell_clip;     // bounds of the pre-activations and of c; infinite: no bound
};

// What is the same in all steps of a direction run.
template <class T>
struct StepConstants {
  const Panels* panels;                    // W_hh
  const T* recurrent_bias;                 // GRU's b_hn, [blocks][W], which starts a chain of its own; else null
  std::ptrdiff_t first_block, last_block;  // computes blocks first_block ... last_block-1
  std::ptrdiff_t depth;                    // features of h
  const Panels* input_panels;              // W_ih
  const T* bias;                           // [blocks][gates][W]
  std::ptrdiff_t input_depth;              // input features
  // The next four are distances between rows.
  std::ptrdiff_t projected_row;
  std::ptrdiff_t h_row;
  std::ptrdiff_t h_next_row;
  std::ptrdiff_t c_row;             // 0 without c
  std::ptrdiff_t units;             // hidden units, at most blocks * W
  bool relu;                        // a simple RNN with relu instead of tanh
  const ExtendedArgs<T>* extended;  // these and the ones below are for extended cells only
  T* sums;                          // room for the pre-activations of a step, row r: sums + r * sums_row,
  std::ptrdiff_t sums_row;          // [blocks][gates][W]
  T* reset_h;                       // GRU: r * h(t-1), or the product with h(t-1) before r; rows as in h_next
};

// One time step. Each chain begins with the input products, projected before or computed here, and continues with the
// recurrent products (GRU's n can have two chains, see cells.h). Then the cell computes its new state.
template <class T>
struct StepArgs : StepConstants<T> {
  std::ptrdiff_t rows;
  const T* projected;  // row r: projected + r * projected_row, [blocks][gates][W]; null: computed here from x
  const T* x;          // as in ProjectArgs, used where projected is null
  std::ptrdiff_t x_row;
  const std::ptrdiff_t* x_index;
  const T* h;  // h(t-1), row r: h + r * h_row; read while h_next is written, so never the same array
  T* h_next;   // h(t) in whole blocks, aligned; if there is a projection, o * tanh(c(t)) before it
  T* c;        // in whole blocks, aligned, updated in place except by extended cells; null without c
  T* c_next;   // extended cells: c(t); the same as c, unless other blocks read c(t-1) meanwhile
  T* y;        // where the `units` features of h(t) are copied to, any alignment; null: nowhere
  std::ptrdiff_t y_row;
  const std::ptrdiff_t* y_index;  // row r goes to y + y_index[r]; null: to y + r * y_row
  // Only used with one row: goes from the last block to the first, because the step before has left the last block in a
  // near cache.
  bool backwards;
};

template <class T>
struct CellKernels {
  void (*project)(const ProjectArgs<T>&);
  void (*reset)(const StepArgs<T>&);  // all threads must finish this before any of them begins the step; may be null
  void (*step)(const StepArgs<T>&);
};

// The kernels that read panels of one weight type. All is zero where T has no kernels for this weight type.
template <class T>
struct WeightKernels {
  PanelFormat format;
  CellKernels<T> cells[static_cast<int>(CellKernel::count)];
  void (*project_hidden)(const ProjectArgs<T>&);  // a matrix without gates: LSTM's projection W_hr
};

template <class T>
struct Kernels {
  int lanes;
  WeightKernels<T> weight_types[static_cast<int>(WeightType::count)];
  // y[i] = f(x[i]), for tests and benchmarks. n must be a multiple of lanes.
  void (*sigmoid)(const T* x, T* y, std::ptrdiff_t n);
  void (*tanh)(const T* x, T* y, std::ptrdiff_t n);
};

struct KernelTable {
  Kernels<float> float32;
  Kernels<double> float64;
  const char* isa;    // name, as in isa.h
  const char* eigen;  // version of the Eigen headers
  const char* flags;  // compiler flags
};

}  // namespace gatecell
