// One thread at a time uses a stream or a stream pool. Such an object has a member `busy`. Only the thread that holds
// the GIL reads or sets it.
#pragma once

#include <pybind11/pybind11.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace session {

// Sets `busy` while it exists.
class BusyGuard {
 public:
  explicit BusyGuard(bool& busy) : busy_(busy) { busy_ = true; }
  ~BusyGuard() { busy_ = false; }
  BusyGuard(const BusyGuard&) = delete;
  BusyGuard& operator=(const BusyGuard&) = delete;

 private:
  bool& busy_;
};

// Makes the type a context manager: `with core:` sets S::busy. It is written in C++, so that no signal can interrupt
// Python between setting `busy` and entering the block that clears it.
template <class S>
void one_thread_at_a_time(pybind11::class_<S>& type, const std::string& what) {
  type.def(
      "__enter__",
      [what](S& s) {
        if (std::exchange(s.busy, true)) throw std::runtime_error("this " + what + " is in use by another thread");
      },
      "Raises RuntimeError while another thread uses this object.");
  type.def(
      "__exit__",
      [](S& s, const pybind11::object&, const pybind11::object&, const pybind11::object&) { s.busy = false; },
      pybind11::arg("type"), pybind11::arg("value"), pybind11::arg("traceback"));
}

}  // namespace session
