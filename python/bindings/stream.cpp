// Stream32 and Stream64, and step(stream, x, out), the fast path of a time step: plain arrays, without pybind11's
// argument conversions.
#include "gatecell/stream.h"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "fast_method.h"
#include "plain_array.h"
#include "register.h"
#include "run_call.h"
#include "session.h"
#include "state_arrays.h"

namespace py = pybind11;
using namespace py::literals;

namespace gatecell {

// A stream, and whether a thread uses it now. The name of this type must be unique, because pybind11 identifies a type
// by its name. With Clang, types of the same name in anonymous namespaces of different files are the same type.
template <class T>
struct StreamSession {
  StreamSession(const Network<T>& net, std::int64_t rows_, int threads)
      : stream(net, rows_),
        spec(net.spec()),
        rows(rows_),
        num_threads(threads),
        step_seconds(net.plan(1, rows_, 1).seconds),
        is_shared(threads > 1 && step_seconds >= kReleaseGil) {}

  Stream<T> stream;
  Spec spec;
  Py_intptr_t rows;
  int num_threads;
  double step_seconds;  // predicted for one thread
  bool is_shared;       // a step may be worth several threads; a shorter step never leaves the stream's own memory
  bool busy = false;
};

}  // namespace gatecell

namespace {

using gatecell::Network;
using gatecell::StreamSession;

using checks::Array;

template <class T>
std::pair<Array<T>, std::optional<Array<T>>> get_state(const StreamSession<T>& s) {
  state_arrays::State<T> state(s.spec, s.rows);
  s.stream.get_state(state.h_data(), state.c_data());
  return {std::move(state.h), std::move(state.c)};
}

template <class T>
void set_state(StreamSession<T>& s, const std::optional<Array<T>>& h, const std::optional<Array<T>>& c) {
  const T* const h_values = state_arrays::values("h", h, {s.spec.num_layers, s.rows, s.spec.state_size()});
  s.stream.set_state(h_values, state_arrays::values("c", c, {s.spec.num_layers, s.rows, s.spec.hidden_size}));
}

template <class T>
void reset(StreamSession<T>& s, const checks::Indices& rows) {
  s.stream.reset(checks::contiguous("rows", rows, {rows.size()}), rows.size());
}

// Takes the steps of x (T, B, I), or (B, T, I) if batch_first. Returns `out`, or a new y.
template <class T>
Array<T> run(StreamSession<T>& s, const Array<T>& x, std::optional<Array<T>> out, bool batch_first) {
  if (x.ndim() != 3) throw std::invalid_argument("expected input of 3 dimensions, got " + std::to_string(x.ndim()));
  const int time = batch_first ? 1 : 0, batch = 1 - time;
  const std::int64_t first = batch_first ? s.rows : x.shape(0), second = batch_first ? x.shape(1) : s.rows;
  checks::shape("input", x, {first, second, s.spec.input_size});
  Array<T> y = out ? std::move(*out) : Array<T>({first, second, s.spec.output_size()});
  checks::shape("out", y, {first, second, s.spec.output_size()});
  gatecell::Call<T> call;
  call.steps = x.shape(time);
  call.x = x.data();
  call.x_step = checks::stride("input", x, time);
  call.x_row = checks::stride("input", x, batch);
  call.y = y.mutable_data();
  call.y_step = checks::stride("out", y, time);
  call.y_row = checks::stride("out", y, batch);
  run_call(s.stream.prepare(call, s.num_threads));
  return y;
}

template <class T>
PyTypeObject* session_type = nullptr;  // set when the module is created

// Whether two arrays may have memory in common.
bool overlap(PyObject* a, PyObject* b) {
  const auto [a_first, a_end] = plain::extent(a);
  const auto [b_first, b_end] = plain::extent(b);
  return a_first < b_end && b_first < a_end;
}

// The shape of x or out, which is (rows, features), or (features) for one row. Null if the array has another shape or
// is not plain. Sets the number of axes.
template <class T>
const Py_intptr_t* row_shape(PyObject* array, Py_intptr_t rows, std::int64_t features, int& axes) {
  const Py_intptr_t* shape = plain::shape<T>(array, 2);
  axes = shape ? 2 : 1;
  if (shape) return shape[0] == rows && shape[1] == features ? shape : nullptr;
  shape = rows == 1 ? plain::shape<T>(array, 1) : nullptr;
  return shape && shape[0] == features ? shape : nullptr;
}

template <class T>
PyObject* step(PyObject* object, PyObject* x, PyObject* out) {
  auto* found = plain::cpp_object<StreamSession<T>>(object);
  if (!found || found->busy) return not_implemented();
  StreamSession<T>& s = *found;
  int axes = 0, out_axes = 0;
  const std::int64_t inputs = s.spec.input_size, outputs = s.spec.output_size();
  PyObject* plain_x = x;
  py::object y, converted;
  if (!row_shape<T>(x, s.rows, inputs, axes)) {
    converted = plain::convert_to_plain<T>(x, s.rows, inputs);
    if (!converted) return PyErr_Occurred() ? nullptr : not_implemented();
    plain_x = converted.ptr();
    if (!row_shape<T>(plain_x, s.rows, inputs, axes)) return not_implemented();
  }
  if (out == Py_None) {
    const Py_intptr_t shape[2] = {s.rows, outputs};
    y = plain::new_array<T>(axes, axes == 2 ? shape : shape + 1);
    if (!y) return nullptr;
  } else {
    if (!row_shape<T>(out, s.rows, outputs, out_axes) || out_axes != axes || !plain::writeable(out) ||
        overlap(x, out)) {
      return not_implemented();
    }
    y = py::reinterpret_borrow<py::object>(out);
  }
  const T* const from = plain::data<T>(plain_x);  // the caller or `converted` owns it
  T* const to = plain::data<T>(y.ptr());
  const session::BusyGuard guard(s.busy);
  if (s.is_shared) {
    gatecell::Call<T> call;
    call.steps = 1;
    call.x = from;
    call.x_row = inputs;
    call.y = to;
    call.y_row = outputs;
    run_call(s.stream.prepare(call, s.num_threads));
  } else {
    run_for(s.step_seconds, [&] { s.stream.step(from, to); });
  }
  return y.release().ptr();
}

PyObject* fast_step(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  if (count != 3) {
    PyErr_SetString(PyExc_TypeError, "expected step(stream, x, out)");
    return nullptr;
  }
  try {
    if (Py_TYPE(arguments[0]) == session_type<float>) return step<float>(arguments[0], arguments[1], arguments[2]);
    if (Py_TYPE(arguments[0]) == session_type<double>) return step<double>(arguments[0], arguments[1], arguments[2]);
  } catch (const std::bad_alloc&) {
    return PyErr_NoMemory();
  } catch (const std::exception& error) {  // Python's C code would not survive it
    PyErr_SetString(PyExc_RuntimeError, error.what());
    return nullptr;
  }
  return not_implemented();
}

PyObject* core_name = nullptr;

PyObject* step_stream(PyObject* stream, PyObject* x, PyObject* out) {
  const py::object core = fast_method::attribute(stream, core_name);
  if (!core) return not_implemented();
  PyObject* const arguments[] = {core.ptr(), x, out};
  return fast_step(nullptr, arguments, 3);
}

template <class T>
void register_stream(py::module_& m, const char* class_name, const char* doc) {
  py::class_<StreamSession<T>> type(m, class_name, doc);
  session::one_thread_at_a_time(type, "stream");
  type.def(py::init<const Network<T>&, std::int64_t, int>(), "network"_a, "rows"_a, "num_threads"_a,
           "The state begins with zeros. Raises ValueError for a bidirectional network and for rows below 1.")
      .def("get_state", &get_state<T>, "Copies of h (L, B, S) and, for an LSTM, of c (L, B, H).")
      .def("set_state", &set_state<T>, "h"_a.noconvert(), "c"_a.noconvert(),
           "Sets the state from C-contiguous arrays. None means zeros.")
      .def("run", &run<T>, "x"_a.noconvert(), "out"_a.noconvert(), "batch_first"_a,
           "Takes the steps of x (T, B, I), or (B, T, I) if batch_first. Returns out, or a new y if out is None.")
      .def("reset", &reset<T>, "rows"_a.noconvert(),
           "Sets the state of these rows to zeros. Raises ValueError for rows that are not from 0 to B-1.");
  session_type<T> = reinterpret_cast<PyTypeObject*>(type.release().ptr());
}

PyMethodDef methods[] = {
    {"step", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(fast_step)), METH_FASTCALL,
     "step(stream: object, x: object, out: object) -> typing.Any\n\n"
     "Takes one step and returns out, or a new y if out is None. x is an array of float32 or float64. Returns "
     "NotImplemented for other arguments, and for a stream in use."},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace

void register_streams(py::module_& m) {
  register_stream<float>(m, "Stream32", "The state of float32 sequences between their steps.");
  register_stream<double>(m, "Stream64", "The state of float64 sequences between their steps.");
  core_name = PyUnicode_InternFromString("_core");
  if (PyModule_AddFunctions(m.ptr(), methods) != 0) throw py::error_already_set();
  m.def(
      "step_first", [](const py::object& function) { return fast_method::make(step_stream, "out", function); },
      py::arg("function"),
      "A method of a stream: tries step() with the stream's core, and calls function(self, x, out=None) if the result "
      "is "
      "NotImplemented.");
}
