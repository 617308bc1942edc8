// Runs a call. A long call releases the GIL.
#pragma once

#include <Python.h>
#include <unistd.h>

#include <exception>

#include "gatecell/network.h"

// A predicted duration in seconds. Only longer calls release the GIL, because getting it back can take 5 ms if another
// Python thread is busy.
constexpr double kReleaseGil = 50e-6;

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

template <class T>
void run_call(const gatecell::Network<T>& net, const gatecell::Call<T>& call, int num_threads) {
  const gatecell::Plan plan = call.lengths ? net.plan(call, num_threads) : net.plan(call.steps, call.rows, num_threads);
  if (plan.seconds < kReleaseGil) return net.forward(call, plan);
  without_gil([&] { net.forward(call, plan); });
}
