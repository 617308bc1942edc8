// States as arrays, for calls, streams and pools; and one thread at a time, for streams and pools.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "gatecell/network.h"

namespace session {

template <class T>
using Array = pybind11::array_t<T, 0>;  // as it is: no conversion, any strides

// The state of so many rows: h (L*D, rows, S) and, for an LSTM, c (L*D, rows, H). Uninitialised.
template <class T>
struct State {
  State(const gatecell::Spec& spec, std::int64_t rows)
      : h({spec.num_layers * spec.directions(), rows, spec.state_size()}) {
    if (spec.cell == gatecell::Cell::lstm) c = Array<T>({h.shape(0), rows, spec.hidden_size});
  }
  T* h_data() { return h.mutable_data(); }
  T* c_data() { return c ? c->mutable_data() : nullptr; }

  Array<T> h;
  std::optional<Array<T>> c;
};

// The values of a C-contiguous array of this shape; null for none. Throws std::invalid_argument.
template <class T>
const T* values(const std::optional<Array<T>>& array, const std::vector<pybind11::ssize_t>& expected) {
  if (!array) return nullptr;
  const std::vector<pybind11::ssize_t> shape(array->shape(), array->shape() + array->ndim());
  if (shape != expected || !(array->flags() & pybind11::array::c_style)) {
    throw std::invalid_argument("expected a C-contiguous array of another shape");
  }
  return array->data();
}

// A thread is at work on a stream or a pool for so long.
class Inside {
 public:
  explicit Inside(bool& busy) : busy_(busy) { busy_ = true; }
  ~Inside() { busy_ = false; }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

 private:
  bool& busy_;
};

// `with core:` takes S::busy, of which only the holder of the GIL knows. A context manager in C++: no signal can come
// between taking it and being sure to give it back.
template <class S>
void one_thread_at_a_time(pybind11::class_<S>& type, const std::string& what) {
  type.def(
      "__enter__",
      [what](S& s) {
        if (std::exchange(s.busy, true)) throw std::runtime_error("this " + what + " is in use by another thread");
      },
      "Raises RuntimeError while another thread is inside.");
  type.def(
      "__exit__",
      [](S& s, const pybind11::object&, const pybind11::object&, const pybind11::object&) { s.busy = false; },
      pybind11::arg("type"), pybind11::arg("value"), pybind11::arg("traceback"));
}

}  // namespace session
