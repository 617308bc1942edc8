// Validation of a network's specification.
#include <limits>
#include <stdexcept>
#include <string>

#include "gatecell/network.h"

namespace gatecell {
namespace {

void require_at_least_one(const char* what, std::int64_t value) {
  if (value >= 1) return;
  throw std::invalid_argument("expected " + std::string(what) + " of at least 1, got " + std::to_string(value));
}

const char* with_article(Cell cell) { return cell == Cell::lstm ? "an LSTM" : cell == Cell::gru ? "a GRU" : "an RNN"; }

// Throws if an option is set that only `its_cell` has.
void require_cell(bool is_set, const char* option, Cell its_cell, Cell cell) {
  if (!is_set || cell == its_cell) return;
  throw std::invalid_argument(std::string("expected ") + with_article(its_cell) + " for " + option + ", got " +
                              with_article(cell));
}

void require_valid_clip(const char* what, double clip) {
  if (!(clip >= 0 && clip <= std::numeric_limits<double>::max())) {
    throw std::invalid_argument("expected " + std::string(what) + " finite and positive, got " + std::to_string(clip));
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
  const std::int64_t rows = multiply(add(s.hidden_size, 16), s.num_gates());
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
  require_cell(s.proj_size != 0, "proj_size", Cell::lstm, s.cell);
  if (s.proj_size < 0 || s.proj_size >= s.hidden_size) {
    throw std::invalid_argument("expected proj_size from 0 to hidden_size - 1 = " + std::to_string(s.hidden_size - 1) +
                                ", got " + std::to_string(s.proj_size));
  }
  require_cell(s.peepholes != Peepholes::none, "peepholes", Cell::lstm, s.cell);
  require_cell(s.coupled_gates, "coupled_gates", Cell::lstm, s.cell);
  require_cell(s.reset != Reset::after, "another reset than 'after'", Cell::gru, s.cell);
  require_cell(s.cell_clip != 0, "cell_clip", Cell::lstm, s.cell);
  require_valid_clip("gate_clip", s.gate_clip);
  require_valid_clip("cell_clip", s.cell_clip);
  const std::int64_t weights = count_weights(s);
  if (weights < 0 || weights > (std::int64_t{1} << 46)) {
    throw std::invalid_argument(
        "expected sizes whose weights fit into memory, got input_size=" + std::to_string(s.input_size) +
        ", hidden_size=" + std::to_string(s.hidden_size) + ", num_layers=" + std::to_string(s.num_layers));
  }
}

}  // namespace gatecell
