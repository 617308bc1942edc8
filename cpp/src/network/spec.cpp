// Validation of a network's specification.
#include <limits>
#include <stdexcept>
#include <string>

#include "gatecell/network.h"

namespace gatecell {
namespace {

void at_least_one(const char* what, std::int64_t value) {
  if (value < 1) throw std::invalid_argument(std::string(what) + " must be at least 1, got " + std::to_string(value));
}

// An option only this cell has.
void only_for(bool given, bool its_cell, const char* option, const char* cell) {
  if (given && !its_cell) throw std::invalid_argument(std::string(option) + " are for " + cell + " only");
}

void positive_or_none(const char* what, double clip) {
  if (!(clip >= 0 && clip <= std::numeric_limits<double>::max())) {
    throw std::invalid_argument(std::string(what) + " must be a finite positive number, got " + std::to_string(clip));
  }
}

// Scalars of all panels, or -1 on overflow. Rounded up generously: lanes are at most 16.
std::int64_t count_weights(const Spec& s) {
  const auto add = [](std::int64_t a, std::int64_t b) {
    std::int64_t c = 0;
    return a < 0 || b < 0 || __builtin_add_overflow(a, b, &c) ? -1 : c;
  };
  const auto multiply = [](std::int64_t a, std::int64_t b) {
    std::int64_t c = 0;
    return a < 0 || b < 0 || __builtin_mul_overflow(a, b, &c) ? -1 : c;
  };
  const std::int64_t rows = multiply(add(s.hidden_size, 16), s.gates());
  const std::int64_t output = multiply(s.state_size(), s.directions());
  const std::int64_t columns =
      add(add(add(s.input_size, output), s.state_size()), add(s.proj_size, add(s.hidden_size, 16)));
  return multiply(multiply(rows, columns), multiply(s.num_layers, s.directions()));
}

}  // namespace

void validate(const Spec& s) {
  at_least_one("input_size", s.input_size);
  at_least_one("hidden_size", s.hidden_size);
  at_least_one("num_layers", s.num_layers);
  if (s.proj_size < 0 || (s.proj_size && s.cell != Cell::lstm)) {
    throw std::invalid_argument("proj_size must be 0 or, for an LSTM, positive, got " + std::to_string(s.proj_size));
  }
  if (s.proj_size >= s.hidden_size) {
    throw std::invalid_argument("proj_size must be smaller than hidden_size, got proj_size=" +
                                std::to_string(s.proj_size) + " and hidden_size=" + std::to_string(s.hidden_size));
  }
  only_for(s.peepholes != Peepholes::none, s.cell == Cell::lstm, "peepholes", "an LSTM");
  only_for(s.coupled_gates, s.cell == Cell::lstm, "coupled gates", "an LSTM");
  only_for(s.reset != Reset::after, s.cell == Cell::gru, "other reset gates than 'after'", "a GRU");
  only_for(s.cell_clip != 0, s.cell == Cell::lstm, "cell clips", "an LSTM");
  positive_or_none("gate_clip", s.gate_clip);
  positive_or_none("cell_clip", s.cell_clip);
  const std::int64_t weights = count_weights(s);
  if (weights < 0 || weights > (std::int64_t{1} << 46)) {
    throw std::invalid_argument(
        "sizes are too large: the weights would not fit into memory (input_size=" + std::to_string(s.input_size) +
        ", hidden_size=" + std::to_string(s.hidden_size) + ", num_layers=" + std::to_string(s.num_layers) + ")");
  }
}

}  // namespace gatecell
