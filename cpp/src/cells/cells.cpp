// The tables of cells and of their options, and what follows from them.
#include <algorithm>
#include <limits>
#include <stdexcept>

#include "cells/cell_kernel.h"

namespace gatecell {
namespace {

// The functions that read and write the member of Spec that holds an option.
template <class V, V Spec::* member>
double get(const Spec& spec) {
  return static_cast<double>(spec.*member);
}
template <class V, V Spec::* member>
void set(Spec& spec, double value) {
  spec.*member = static_cast<V>(value);
}
#define GATECELL_MEMBER(name) get<decltype(Spec::name), &Spec::name>, set<decltype(Spec::name), &Spec::name>

template <class T>
T clip_or_infinity(double clip) {
  return clip > 0 ? static_cast<T>(clip) : std::numeric_limits<T>::infinity();
}

}  // namespace

const std::vector<CellInfo>& cells() {
  static const std::vector<CellInfo> table = {{Cell::lstm, "lstm", "an LSTM", "ifgo"},
                                              {Cell::gru, "gru", "a GRU", "rzn"},
                                              {Cell::rnn_tanh, "rnn_tanh", "an RNN", "h"},
                                              {Cell::rnn_relu, "rnn_relu", "an RNN", "h"}};
  return table;
}

const std::vector<Option>& options() {
  using Kind = Option::Kind;
  const std::vector<Cell> lstm = {Cell::lstm}, gru = {Cell::gru},
                          all = {Cell::lstm, Cell::gru, Cell::rnn_tanh, Cell::rnn_relu};
  // name, cells, kind, choices, value that removes a gate, that gate, value with one more barrier, member
  static const std::vector<Option> table = {
      {"peepholes", lstm, Kind::choice, {"none", "diagonal", "full"}, 0, 0, 0, GATECELL_MEMBER(peepholes)},
      {"coupled_gates", lstm, Kind::flag, {}, 1, 'f', 0, GATECELL_MEMBER(coupled_gates)},
      {"reset", gru, Kind::choice, {"after", "before", "none"}, 2, 'r', 1, GATECELL_MEMBER(reset)},
      {"gate_clip", all, Kind::bound, {}, 0, 0, 0, GATECELL_MEMBER(gate_clip)},
      {"cell_clip", lstm, Kind::bound, {}, 0, 0, 0, GATECELL_MEMBER(cell_clip)},
  };
  return table;
}

const CellInfo& info(Cell cell) {
  return *std::find_if(cells().begin(), cells().end(), [&](const CellInfo& row) { return row.cell == cell; });
}

std::string one_of(const std::vector<const char*>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    text += std::string(i == 0 ? "'" : i + 1 == names.size() ? " or '" : ", '") + names[i] + "'";
  }
  return text;
}

Cell parse_cell(const std::string& wanted) {
  std::vector<const char*> names;
  for (const CellInfo& row : cells()) {
    if (wanted == row.name) return row.cell;
    names.push_back(row.name);
  }
  throw std::invalid_argument("expected cell " + one_of(names) + ", got '" + wanted + "'");
}

std::string gates(const Spec& spec) {
  std::string letters = info(spec.cell).gates;
  for (const Option& option : options()) {
    if (option.removing_value == 0 || option.get(spec) != option.removing_value) continue;
    letters.erase(std::remove(letters.begin(), letters.end(), option.removed_gate), letters.end());
  }
  return letters;
}

int num_gates(const Spec& spec) { return static_cast<int>(gates(spec).size()); }

std::string peephole_gates(const Spec& spec) {
  if (spec.peepholes == Peepholes::none) return "";
  std::string letters = gates(spec);
  letters.erase(std::remove(letters.begin(), letters.end(), 'g'), letters.end());
  return letters;
}

bool extended(const Spec& spec) {
  return std::any_of(options().begin(), options().end(), [&](const Option& option) { return option.get(spec) != 0; });
}

int barriers_per_step(const Spec& spec) {
  int barriers = spec.proj_size ? 2 : 1;  // after h, and before that after o * tanh(c)
  for (const Option& option : options()) {
    barriers += option.waiting_value != 0 && option.get(spec) == option.waiting_value;
  }
  return barriers;
}

std::vector<WeightShape> weight_shapes(const Spec& spec, std::int64_t layer) {
  const std::int64_t hidden = spec.hidden_size, rows = num_gates(spec) * hidden,
                     seeing_c = static_cast<std::int64_t>(peephole_gates(spec).size()) * hidden;
  std::vector<WeightShape> shapes = {{"weight_ih", {rows, spec.layer_input(layer)}},
                                     {"weight_hh", {rows, spec.state_size()}}};
  if (spec.bias) shapes.insert(shapes.end(), {{"bias_ih", {rows}}, {"bias_hh", {rows}}});
  if (spec.peepholes == Peepholes::diagonal) shapes.push_back({"weight_peephole", {seeing_c}});
  if (spec.peepholes == Peepholes::full) shapes.push_back({"weight_peephole", {seeing_c, hidden}});
  if (spec.proj_size) shapes.push_back({"weight_hr", {spec.proj_size, hidden}});
  return shapes;
}

CellKernel cell_kernel(const Spec& spec) {
  const bool is_extended = extended(spec);
  switch (spec.cell) {
    case Cell::lstm:
      return spec.coupled_gates ? CellKernel::coupled_lstm : is_extended ? CellKernel::extended_lstm : CellKernel::lstm;
    case Cell::gru:
      return spec.reset == Reset::before ? CellKernel::reset_before_gru
             : spec.reset == Reset::none ? CellKernel::no_reset_gru
             : is_extended               ? CellKernel::clipped_gru
                                         : CellKernel::gru;
    case Cell::rnn_tanh:
    case Cell::rnn_relu:
      break;
  }
  return is_extended ? CellKernel::clipped_rnn : CellKernel::rnn;
}

template <class T>
void set_numbers(const Spec& spec, ExtendedArgs<T>& args) {
  args.gate_clip = clip_or_infinity<T>(spec.gate_clip);
  args.cell_clip = clip_or_infinity<T>(spec.cell_clip);
}

template void set_numbers<float>(const Spec&, ExtendedArgs<float>&);
template void set_numbers<double>(const Spec&, ExtendedArgs<double>&);

}  // namespace gatecell
