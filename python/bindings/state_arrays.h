// The state as NumPy arrays, for calls, streams and stream pools.
#pragma once

#include <pybind11/numpy.h>

#include <optional>
#include <string>

#include "checks.h"
#include "gatecell/network.h"

namespace state_arrays {

using checks::Array;

// New uninitialised arrays for the state of `rows` rows: h (L*D, rows, S) and, for an LSTM, c (L*D, rows, H).
template <class T>
struct State {
  State(const gatecell::Spec& spec, std::int64_t rows) : h({spec.direction_runs(), rows, spec.state_size()}) {
    if (spec.cell == gatecell::Cell::lstm) c = Array<T>({h.shape(0), rows, spec.hidden_size});
  }
  T* h_data() { return h.mutable_data(); }
  T* c_data() { return c ? c->mutable_data() : nullptr; }

  Array<T> h;
  std::optional<Array<T>> c;
};

// The values of a C-contiguous array of this shape; null without an array. Throws std::invalid_argument.
template <class T>
const T* values(const std::string& what, const std::optional<Array<T>>& array, const checks::Shape& expected) {
  return array ? checks::contiguous(what, *array, expected) : nullptr;
}

}  // namespace state_arrays
