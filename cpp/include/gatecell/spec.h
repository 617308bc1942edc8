// What a network is, without its weights: its cell, its sizes and its options.
//
// Equations, gate order and shapes are PyTorch's (torch.nn.LSTM, GRU, RNN); s is the sigmoid function:
//
//   LSTM  i = s(W_ii x + b_ii + W_hi h + b_hi)      f and o in the same way
//         g = tanh(W_ig x + b_ig + W_hg h + b_hg)
//         c' = f*c + i*g                            h' = o*tanh(c')                  gate order: i f g o
//         with projection:                          h' = W_hr (o*tanh(c'))
//   GRU   r = s(W_ir x + b_ir + W_hr h + b_hr)      z in the same way
//         n = tanh(W_in x + b_in + r*(W_hn h + b_hn))
//         h' = (1-z)*n + z*h                                                         gate order: r z n
//   RNN   h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu
//
// Extended cells have options that PyTorch lacks. a_i is the pre-activation of i, and so on:
//
//   LSTM  peepholes (Gers and Schmidhuber 2000): a_i + p_i*c, a_f + p_f*c, a_o + p_o*c'
//         full peepholes are matrices, and all three see c: a_i + P_i c, a_f + P_f c, a_o + P_o c
//         coupled gates: f = 1-i, gate order i g o
//         cell_clip: c' is bounded before o and h' use it
//   GRU   reset before: n = tanh(W_in x + b_in + b_hn + W_hn (r*h)) (Cho et al. 2014)
//         no reset: n = tanh(W_in x + b_in + W_hn h + b_hn), gate order z n
//   all   gate_clip: every pre-activation is bounded (ONNX's clip)
//
// Each pre-activation is one chain of multiply-adds, fused where the CPU can do that: bias, input products in k order,
// recurrent products in k order, peepholes. Only n of a GRU with reset after has two chains: one for W_in x + b_in and
// one for W_hn h + b_hn. The error of a chain grows with its length. So of a matrix with more than 256 columns only the
// first 256 products continue the chain. Each further section of 256 products is a chain from zero, which is then added
// to the total. This order depends on k alone: the results of a row have the same bits for every batch, chunk and
// number of threads. BuildInfo::arithmetic is the version of the order and of the activations.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gatecell {

enum class Cell { rnn_tanh, rnn_relu, gru, lstm };
enum class Peepholes { none, diagonal, full };
enum class Reset { after, before, none };  // whether r multiplies after or before the product with W_hn

// Sizes are numbers of features. An option that is 0, false or its first enumerator is as in PyTorch.
struct Spec {
  Cell cell = Cell::lstm;
  std::int64_t input_size = 1;
  std::int64_t hidden_size = 1;
  std::int64_t num_layers = 1;
  bool bias = true;
  bool bidirectional = false;
  std::int64_t proj_size = 0;  // LSTM only; 0: no projection
  // The options: options() has a row for each of them.
  Peepholes peepholes = Peepholes::none;  // LSTM only
  Reset reset = Reset::after;             // GRU only
  bool coupled_gates = false;             // LSTM only
  double gate_clip = 0, cell_clip = 0;    // 0: no bound; cell_clip is for the LSTM only

  int num_directions() const { return bidirectional ? 2 : 1; }
  std::int64_t direction_runs() const { return num_layers * num_directions(); }
  std::int64_t state_size() const { return proj_size ? proj_size : hidden_size; }  // features of h
  std::int64_t output_size() const { return num_directions() * state_size(); }     // features of y
  std::int64_t layer_input(std::int64_t layer) const { return layer ? output_size() : input_size; }
};

// Throws std::invalid_argument for a size below 1 (proj_size: below 0), proj_size >= hidden_size, an option of another
// cell, a clip that is negative or not finite, and sizes that give more than about 2^46 weights.
void validate(const Spec& spec);

// What follows from a spec. The tables in src/cells/cells.cpp say it.

// The gates in the order of the matrix rows of weight_ih, weight_hh and the biases, one letter each: "ifgo" for an
// LSTM, "rzn" for a GRU, "h" for a simple RNN, without the gates that an option removes.
std::string gates(const Spec& spec);
int num_gates(const Spec& spec);
// The gates of an LSTM that have peepholes, in the order of weight_peephole: "ifo" or "io". Empty without peepholes.
std::string peephole_gates(const Spec& spec);
// Whether PyTorch lacks this cell: an option has another value than its default.
bool extended(const Spec& spec);
// How often threads that split the hidden units wait for each other in each step.
int barriers_per_step(const Spec& spec);

struct WeightShape {
  std::string name;
  std::vector<std::int64_t> shape;
};

// The weights that each direction of a layer has, in PyTorch's order: weight_ih (gates*H, layer input), weight_hh
// (gates*H, state size), bias_ih and bias_hh (gates*H), weight_peephole (peephole gates*H), full (peephole gates*H, H),
// weight_hr (proj_size, H).
std::vector<WeightShape> weight_shapes(const Spec& spec, std::int64_t layer);

// A cell by its name.
struct CellInfo {
  Cell cell;
  const char* name;
  const char* with_article;  // for messages: "an LSTM"
  const char* gates;         // without options
};
const std::vector<CellInfo>& cells();
const CellInfo& info(Cell cell);
// Throws std::invalid_argument for an unknown name.
Cell parse_cell(const std::string& name);

// An option of cells that PyTorch lacks. Its value as a number is 0 or 1 for a flag, the position among the choices, or
// a bound. 0 is the default.
struct Option {
  enum class Kind { flag, choice, bound };
  const char* name;
  std::vector<Cell> cells;  // that have the option
  Kind kind;
  std::vector<const char*> choices;  // the names of the values of a choice
  // With this value (0: with none) the cell lacks this gate.
  int removing_value;
  char removed_gate;
  int waiting_value;  // with this value (0: with none) a step has one more barrier
  double (*get)(const Spec& spec);
  void (*set)(Spec& spec, double value);
};
const std::vector<Option>& options();

// The names as messages list them: "'after', 'before' or 'none'".
std::string one_of(const std::vector<const char*>& names);

}  // namespace gatecell
