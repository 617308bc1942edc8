// Runs calls. A long call releases the GIL.
#pragma once

#include <Python.h>
#include <unistd.h>

#include <exception>

#include "constants.h"
#include "gatecell/network.h"

// Runs f() without the GIL. While the interpreter shuts down, PyEval_RestoreThread ends the thread by unwinding (before
// Python 3.14). Unwinding would run destructors that drop references without the GIL. So the thread stops here instead,
// until the process ends.
template <class F>
void without_gil(const F& f) {
  std::exception_ptr error;
  PyThreadState* state = PyEval_SaveThread();
  try {
    f();
  } catch (const std::exception&) {
    error = std::current_exception();
  }
  try {
    PyEval_RestoreThread(state);
  } catch (...) {
    for (;;) pause();
  }
  if (error) std::rethrow_exception(error);
}

// Runs f(), which is predicted to take this time.
template <class F>
void run_for(double seconds, const F& f) {
  seconds < gatecell::kReleaseGil ? f() : without_gil(f);
}

template <class T>
void run_call(const gatecell::PreparedCall<T>& call) {
  run_for(call.plan().seconds, [&] { call.run(); });
}
