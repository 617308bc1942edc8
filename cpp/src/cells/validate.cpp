// Validation of a network's specification.
#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>

#include "gatecell/spec.h"

namespace gatecell {
namespace {

void require_at_least_one(const char* what, std::int64_t value) {
  if (value >= 1) return;
  throw std::invalid_argument("expected " + std::string(what) + " of at least 1, got " + std::to_string(value));
}

[[noreturn]] void throw_wrong_cell(Cell expected, const std::string& option, Cell cell) {
  throw std::invalid_argument(std::string("expected ") + info(expected).with_article + " for " + option + ", got " +
                              info(cell).with_article);
}

// Checks the value of an option, and that the cell has the option.
void validate_option(const Option& option, const Spec& spec) {
  const double value = option.get(spec);
  const bool exists = std::find(option.cells.begin(), option.cells.end(), spec.cell) != option.cells.end();
  if (!exists && value != 0) {
    const bool is_named = option.kind != Option::Kind::choice || option.choices[0] == std::string("none");
    throw_wrong_cell(
        option.cells[0],
        is_named ? option.name : "another " + std::string(option.name) + " than '" + option.choices[0] + "'",
        spec.cell);
  }
  if (option.kind == Option::Kind::bound && !(value >= 0 && value <= std::numeric_limits<double>::max())) {
    throw std::invalid_argument("expected " + std::string(option.name) + " finite and positive, got " +
                                std::to_string(value));
  }
}

// An upper bound of the number of scalars in all panels; -1 if it overflows. Vectors have at most 16 lanes.
std::int64_t count_weights(const Spec& s) {
  const auto add = [](std::int64_t a, std::int64_t b) {
    std::int64_t c = 0;
    return a < 0 || b < 0 || __builtin_add_overflow(a, b, &c) ? -1 : c;
  };
  const auto multiply = [](std::int64_t a, std::int64_t b) {
    std::int64_t c = 0;
    return a < 0 || b < 0 || __builtin_mul_overflow(a, b, &c) ? -1 : c;
  };
  const std::int64_t rows = multiply(add(s.hidden_size, 16), num_gates(s));
  const std::int64_t output = multiply(s.state_size(), s.num_directions());
  const std::int64_t columns =
      add(add(add(s.input_size, output), s.state_size()), add(s.proj_size, add(s.hidden_size, 16)));
  return multiply(multiply(rows, columns), multiply(s.num_layers, s.num_directions()));
}

}  // namespace

void validate(const Spec& s) {
  require_at_least_one("input_size", s.input_size);
  require_at_least_one("hidden_size", s.hidden_size);
  require_at_least_one("num_layers", s.num_layers);
  if (s.proj_size != 0 && s.cell != Cell::lstm) throw_wrong_cell(Cell::lstm, "proj_size", s.cell);
  if (s.proj_size < 0 || s.proj_size >= s.hidden_size) {
    throw std::invalid_argument("expected proj_size from 0 to hidden_size - 1 = " + std::to_string(s.hidden_size - 1) +
                                ", got " + std::to_string(s.proj_size));
  }
  for (const Option& option : options()) validate_option(option, s);
  const std::int64_t weights = count_weights(s);
  if (weights < 0 || weights > (std::int64_t{1} << 46)) {
    throw std::invalid_argument(
        "expected sizes whose weights fit into memory, got input_size=" + std::to_string(s.input_size) +
        ", hidden_size=" + std::to_string(s.hidden_size) + ", num_layers=" + std::to_string(s.num_layers));
  }
}

}  // namespace gatecell
