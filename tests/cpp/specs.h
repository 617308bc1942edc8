// Specs as texts, and the specs that the tests run. The text of a spec is the cell and then a word for each value that
// is not the default: "lstm I=5 H=19 L=2 P=7 no_bias bidirectional peepholes=full coupled_gates cell_clip=0.375".
// I, H, L and P are input_size, hidden_size, num_layers and proj_size. I and H always have a word.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "gatecell/spec.h"

namespace problems {

using gatecell::Cell;
using gatecell::Option;
using gatecell::Spec;

inline std::string describe(const Spec& spec) {
  std::ostringstream text;
  text << gatecell::info(spec.cell).name << " I=" << spec.input_size << " H=" << spec.hidden_size;
  if (spec.num_layers != 1) text << " L=" << spec.num_layers;
  if (spec.proj_size) text << " P=" << spec.proj_size;
  if (!spec.bias) text << " no_bias";
  if (spec.bidirectional) text << " bidirectional";
  for (const Option& option : gatecell::options()) {
    const double value = option.get(spec);
    if (value == 0) continue;
    text << " " << option.name;
    if (option.kind == Option::Kind::choice) text << "=" << option.choices[static_cast<std::size_t>(value)];
    if (option.kind == Option::Kind::bound) text << "=" << value;
  }
  return text.str();
}

// The number of a word that begins with `start` and continues with a number.
template <class Number>
std::optional<Number> number_after(const std::string& start, const std::string& word) {
  if (word.rfind(start, 0) != 0) return {};
  Number number = 0;
  std::istringstream rest(word.substr(start.size()));
  return rest >> number && rest.peek() == EOF ? std::optional(number) : std::nullopt;
}

// The value that a word gives an option, or 0 if it gives none.
inline double value_in(const std::string& word, const Option& option) {
  const std::string name = option.name;
  if (option.kind == Option::Kind::flag) return word == name;
  if (option.kind == Option::Kind::bound) return number_after<double>(name + "=", word).value_or(0);
  for (std::size_t i = 1; i < option.choices.size(); ++i) {
    if (word == name + "=" + option.choices[i]) return static_cast<double>(i);
  }
  return 0;
}

// Changes a spec as a word says. Throws std::invalid_argument for an unknown word.
inline void change(Spec& spec, const std::string& word) {
  const auto size = [&](const char* start) { return number_after<std::int64_t>(start, word); };
  if (size("I=")) return void(spec.input_size = *size("I="));
  if (size("H=")) return void(spec.hidden_size = *size("H="));
  if (size("L=")) return void(spec.num_layers = *size("L="));
  if (size("P=")) return void(spec.proj_size = *size("P="));
  if (word == "no_bias") return void(spec.bias = false);
  if (word == "bidirectional") return void(spec.bidirectional = true);
  for (const Option& option : gatecell::options()) {
    const double value = value_in(word, option);
    if (value != 0) return option.set(spec, value);
  }
  throw std::invalid_argument("expected a word of a spec, got '" + word + "'");
}

// The inverse of describe(). The words after the cell may have any order. The spec need not be valid.
inline Spec parse_spec(const std::string& text) {
  std::istringstream words(text);
  std::string word;
  words >> word;
  Spec spec;
  spec.cell = gatecell::parse_cell(word);
  while (words >> word) change(spec, word);
  return spec;
}

// A spec of each cell, with these words after the cell.
inline std::vector<Spec> every_cell(const std::string& words) {
  std::vector<Spec> specs;
  for (const gatecell::CellInfo& cell : gatecell::cells()) specs.push_back(parse_spec(cell.name + (" " + words)));
  return specs;
}

inline Spec with(Spec spec, const Option& option, double value) {
  option.set(spec, value);
  return spec;
}

// The values of an option without its default. A bound has one value, which limits some values of random_problem().
inline std::vector<double> values_of(const Option& option) {
  if (option.kind == Option::Kind::bound) return {0.375};
  std::vector<double> values = {1};
  for (std::size_t i = 2; i < option.choices.size(); ++i) values.push_back(static_cast<double>(i));
  return values;
}

// Every extended cell with these words after the cell: each value of each option alone, and all options of a cell
// together. Each value occurs in one of the latter. They have a projection if the cell can have one.
inline std::vector<Spec> extended_specs(const std::string& words) {
  std::vector<Spec> specs;
  for (const Spec& plain : every_cell(words)) {
    std::vector<Spec> together;
    int options = 0;
    for (const Option& option : gatecell::options()) {
      if (std::find(option.cells.begin(), option.cells.end(), plain.cell) == option.cells.end()) continue;
      ++options;
      const std::vector<double> values = values_of(option);
      for (const double value : values) specs.push_back(with(plain, option, value));
      Spec last = together.empty() ? plain : together.back();
      if (plain.cell == Cell::lstm) last.proj_size = 7;
      together.resize(std::max(together.size(), values.size()), last);
      for (std::size_t i = 0; i < together.size(); ++i) {
        option.set(together[i], values[std::min(i, values.size() - 1)]);
      }
    }
    if (options > 1) specs.insert(specs.end(), together.begin(), together.end());
  }
  return specs;
}

// Specs that together run most paths of the library. Most sizes are not multiples of a block.
inline std::vector<Spec> varied_specs() {
  std::vector<Spec> specs = every_cell("I=5 H=19 L=2");
  for (const Spec& spec : every_cell("I=21 H=40 no_bias bidirectional")) specs.push_back(spec);
  specs.push_back(parse_spec("lstm I=5 H=19 L=2 P=7 bidirectional"));
  for (const Spec& spec : extended_specs("I=5 H=19 L=2")) specs.push_back(spec);
  return specs;
}

}  // namespace problems
