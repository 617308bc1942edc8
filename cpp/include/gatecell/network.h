// A trained recurrent network, packed for one instruction set: the whole public C++ interface.
//
// Equations, gate order and shapes are PyTorch's (torch.nn.LSTM, GRU, RNN):
//
//   LSTM  i = s(W_ii x + b_ii + W_hi h + b_hi)      f, o alike      g = tanh(W_ig x + b_ig + W_hg h + b_hg)
//         c' = f*c + i*g                            h' = o*tanh(c')                  gates in memory: i f g o
//         with projection:                          h' = W_hr (o*tanh(c'))
//   GRU   r = s(W_ir x + b_ir + W_hr h + b_hr)      z alike         n = tanh(W_in x + b_in + r*(W_hn h + b_hn))
//         h' = (1-z)*n + z*h                                                         gates in memory: r z n
//   RNN   h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu
//
// and what textbooks and other frameworks have beside them, a_i being the sum inside i's s():
//
//   LSTM  peepholes (Gers and Schmidhuber 2000): a_i + p_i*c, a_f + p_f*c, a_o + p_o*c'; full ones are matrices, and
//   all
//         three see c: a_i + P_i c, ...
//         coupled gates: f = 1-i, gates in memory i g o;  cell_clip: c' is bounded before o and h' see it
//   GRU   reset before: n = tanh(W_in x + b_in + b_hn + W_hn (r*h)) (Cho et al. 2014)
//         no reset: n = tanh(W_in x + b_in + W_hn h + b_hn), gates in memory z n
//   all   gate_clip: every gate's sum is bounded before its s(), tanh() or relu() (ONNX's clip)
//
// Each pre-activation is one chain of multiply-adds (fused where the CPU has them): bias, then the input products in k
// order, then the recurrent ones, then what peepholes add. So a row's result has the same bits whatever the batch, the
// chunking and the number of threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "gatecell/isa.h"

namespace gatecell {

enum class Cell { rnn_tanh, rnn_relu, gru, lstm };
enum class Peepholes { none, diagonal, full };
enum class Reset { after, before, none };  // when r multiplies: after or before the product with W_hn

// What a network is, without its weights. Sizes are counts of features.
struct Spec {
  Cell cell = Cell::lstm;
  std::int64_t input_size = 1;
  std::int64_t hidden_size = 1;
  std::int64_t num_layers = 1;
  bool bias = true;
  bool bidirectional = false;
  std::int64_t proj_size = 0;             // LSTM only; 0: none
  Peepholes peepholes = Peepholes::none;  // LSTM only
  Reset reset = Reset::after;             // GRU only
  bool coupled_gates = false;             // LSTM only
  double gate_clip = 0, cell_clip = 0;    // 0: none; cell_clip LSTM only

  int gates() const {
    return cell == Cell::lstm ? (coupled_gates ? 3 : 4) : cell == Cell::gru ? (reset == Reset::none ? 2 : 3) : 1;
  }
  bool textbook() const {  // whether PyTorch has it not
    return peepholes != Peepholes::none || reset != Reset::after || coupled_gates || gate_clip > 0 || cell_clip > 0;
  }
  int peephole_gates() const { return coupled_gates ? 2 : 3; }  // those that see c
  int directions() const { return bidirectional ? 2 : 1; }
  std::int64_t state_size() const { return proj_size ? proj_size : hidden_size; }  // features of h
  std::int64_t output_size() const { return directions() * state_size(); }         // features of y
  std::int64_t layer_input(std::int64_t layer) const { return layer ? output_size() : input_size; }
};

// Throws std::invalid_argument: a size below 1, proj_size >= hidden_size, an option that another cell has, a clip that
// is not finite and positive, sizes whose product overflows.
void validate(const Spec& spec);

// One direction of one layer in PyTorch's layout, row-major. Null biases where spec.bias is false, null
// weight_peephole without peepholes, null weight_hr where there is no projection.
template <class T>
struct DirectionWeights {
  const T* weight_ih = nullptr;        // (gates*H, layer input)
  const T* weight_hh = nullptr;        // (gates*H, state size)
  const T* bias_ih = nullptr;          // (gates*H)
  const T* bias_hh = nullptr;          // (gates*H)
  const T* weight_hr = nullptr;        // (proj_size, H)
  const T* weight_peephole = nullptr;  // (3*H), full (3*H, H), of i f o; with coupled gates (2*H), (2*H, H), of i o
};

// How a call with lengths finds its rows in x and y.
enum class Layout {
  padded,  // as without lengths; y is 0 past a row's length, x is not read there
  packed,  // the rows still going at step 0, those at step 1, ... x_row and y_row apart, as in torch's PackedSequence;
           // no row is longer than the one before
  jagged,  // one row after the other, each as long as it is, its steps x_step and y_step apart
};

// One call. Strides are in elements; features are adjacent. h_0, c_0, h_n, c_n are contiguous (layers*directions,
// rows, features); a null h_0 or c_0 means zeros; c_n may be null for cells without c. y may not overlap an input.
// h_n may be h_0, and c_n c_0.
template <class T>
struct Call {
  std::int64_t steps = 0;  // T
  std::int64_t rows = 0;   // B
  const T* x = nullptr;    // (T, B, input_size)
  std::int64_t x_step = 0, x_row = 0;
  const T* h_0 = nullptr;
  const T* c_0 = nullptr;
  T* y = nullptr;  // (T, B, output_size)
  std::int64_t y_step = 0, y_row = 0;
  T* h_n = nullptr;
  T* c_n = nullptr;
  const std::int64_t* lengths = nullptr;  // (B), 0 ... T in any order, a row's number of steps; null: T each
  Layout layout = Layout::padded;
  const std::int64_t* state_rows = nullptr;  // (B), each another one: where in the state arrays a row's state is ...
  std::int64_t states = 0;                   // ... which have so many rows; null: they have B, in order
};

// What a call of one shape will do; forward() executes exactly this, or with fewer threads if the team is busy. (Where
// the team is asleep, one direction's first steps run on the calling thread until it has woken. As rows of different
// lengths end, a chunk takes more steps, as many as hold chunk * group_rows steps of rows, fused or not as suits those
// left.)
struct Plan {
  int row_parts = 1;            // threads that share the rows of the batch
  int direction_parts = 1;      // threads that share the directions of a layer
  int hidden_parts = 1;         // threads that share the hidden units of a step, and meet after each
  std::int64_t chunk = 1;       // time steps a layer takes before the next one; unless fused, projected at once
  std::int64_t group_rows = 1;  // rows of the batch that go through time together in a thread
  double seconds = 0;           // predicted duration
  int layer_parts = 1;          // threads that share the layers, each a chunk behind the layer below; alone of its kind
  bool fused = false;  // input products are computed in the step, otherwise a chunk at a time before (projected)

  int threads() const { return row_parts * direction_parts * hidden_parts * layer_parts; }
};

// What takes the largest part of a call's time.
enum class Limit { multiply_adds, l1, l2, l3, memory, meetings, calls };

// What a plan rests on.
struct Forecast {
  double step_bytes = 0;  // weights that all threads together read in a time step of the network
  Limit limit = Limit::calls;
};

template <class T>
struct PackedNetwork;
template <class T>
class Stream;

// Immutable after construction; forward() may run in many threads at once. T is float or double.
template <class T>
class Network {
 public:
  // weights: layer by layer, forward direction first. They are copied (packed); nothing of them is kept.
  // Throws std::invalid_argument (spec, number of weights, ISA) or std::bad_alloc.
  Network(const Spec& spec, const std::vector<DirectionWeights<T>>& weights, Isa isa);
  ~Network();
  Network(const Network&);  // shares the weights
  Network& operator=(const Network&);
  Network(Network&&) noexcept;
  Network& operator=(Network&&) noexcept;

  const Spec& spec() const;
  Isa isa() const;
  std::size_t nbytes() const;  // memory of the packed weights

  Plan plan(std::int64_t steps, std::int64_t rows, int num_threads) const;
  Plan plan(const Call<T>& call, int num_threads) const;  // of that call, its lengths included
  Forecast forecast(std::int64_t steps, std::int64_t rows, const Plan& plan) const;

  // Allocates scratch before the first step at most (with sleeping threads, before the first they take part in); no
  // allocation, lock or exception after that. Throws std::invalid_argument for a null x, y or h_n, negative sizes, and
  // lengths or state rows out of range; std::bad_alloc for scratch: what the call has written by then is no result.
  void forward(const Call<T>& call, int num_threads) const;
  // As planned, or with fewer threads if the team is busy; also std::invalid_argument for a plan that does not fit.
  void forward(const Call<T>& call, const Plan& plan) const;

  // The weights as they came in, bit for bit, in torch's order per direction:
  // weight_ih, weight_hh, bias_ih, bias_hh, weight_peephole, weight_hr, those that exist.
  std::vector<std::vector<T>> weights() const;

 private:
  friend class Stream<T>;
  std::shared_ptr<const PackedNetwork<T>> packed_;
};

// How often weights were packed in this process: a test shows that calls never pack.
std::int64_t pack_count();

// Threads waiting in the shared team.
int team_size();

}  // namespace gatecell
