// States as arrays, for calls, streams and pools; and one thread at a time, for streams and pools.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "checks.h"
#include "gatecell/network.h"

namespace session {

using checks::Array;

// The state of so many rows: h (L*D, rows, S) and, for an LSTM, c (L*D, rows, H). Uninitialised.
template <class T>
struct State {
  State(const gatecell::Spec& spec, std::int64_t rows)
      : h({spec.num_layers * spec.num_directions(), rows, spec.state_size()}) {
    if (spec.cell == gatecell::Cell::lstm) c = Array<T>({h.shape(0), rows, spec.hidden_size});
  }
  T* h_data() { return h.mutable_data(); }
  T* c_data() { return c ? c->mutable_data() : nullptr; }

  Array<T> h;
  std::optional<Array<T>> c;
};

// The values of a C-contiguous array of this shape; null for none. Throws std::invalid_argument.
template <class T>
const T* values(const std::string& what, const std::optional<Array<T>>& array, const checks::Shape& expected) {
  return array ? checks::contiguous(what, *array, expected) : nullptr;
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
