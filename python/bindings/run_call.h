// One call with the GIL held or released, as its length wants it.
#pragma once

#include <Python.h>
#include <unistd.h>

#include <exception>

#include "gatecell/network.h"

// Beside a busy Python thread it takes up to 5 ms to get a released GIL back: only longer calls release it.
constexpr double kReleaseGil = 50e-6;

// When the interpreter is shutting down, restoring the thread state ends the thread by unwinding (before Python 3.14).
// Unwinding would run destructors that drop references without the GIL, so the thread stops here instead, for good.
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
