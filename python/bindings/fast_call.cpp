// The fast path of a call: plain arrays, without pybind11's argument conversions, which take a microsecond.
//
// call(network, x, hx, batch_first, num_threads) takes C-contiguous, aligned arrays of the network's dtype. x has three
// axes. hx is None, h_0, or for an LSTM the tuple (h_0, c_0). It returns y, h_n or y, (h_n, c_n). For all other
// arguments it returns NotImplemented, whether they are valid or not; the Python package and Network.forward then
// decide. With a sixth argument, the table of tensor.h, x and hx are tensors of the type that has the table, and so are
// the results.
#include <pybind11/pybind11.h>

#include <algorithm>
#include <limits>
#include <new>
#include <type_traits>

#include "constants.h"
#include "fast_method.h"
#include "gatecell/network.h"
#include "plain_array.h"
#include "register.h"
#include "run_call.h"
#include "tensor.h"

namespace py = pybind11;

namespace {

using gatecell::Call;
using gatecell::Cell;
using gatecell::Network;
using gatecell::Spec;

template <class T>
PyTypeObject* network_type = nullptr;  // set when the module is created

// For an output of this number of elements or more, a call with a table returns NotImplemented, so that a NumPy array
// holds the output.
template <class T>
constexpr Py_intptr_t kHugePageElements = gatecell::kNumpyHugePageBytes / static_cast<Py_intptr_t>(sizeof(T));

// The values and the shape of an array or tensor with three axes.
template <class T>
struct Values {
  const T* data = nullptr;  // null if the object is not plain
  const Py_intptr_t* shape = nullptr;
};

template <class T>
Values<T> values_of_tensor(PyObject* object, const tensor::Table& table) {
  tensor::View view;
  if (!std::is_same_v<Py_intptr_t, std::int64_t> || !tensor::view<T>(table, object, view)) return {};
  return {static_cast<const T*>(view.data), reinterpret_cast<const Py_intptr_t*>(view.shape)};
}

// Reads a tensor if there is a table, otherwise an array.
template <class T>
inline Values<T> values_of(PyObject* object, const tensor::Table* table) {
  if (table) return values_of_tensor<T>(object, *table);
  const Py_intptr_t* shape = plain::shape<T>(object, 3);
  return {shape ? plain::data<T>(object) : nullptr, shape};
}

// The values of a state; null if it has another shape or is not plain.
template <class T>
inline const T* state_of(PyObject* object, const tensor::Table* table, const Py_intptr_t (&expected)[3]) {
  const Values<T> state = values_of<T>(object, table);
  return state.data && std::equal(expected, expected + 3, state.shape) ? state.data : nullptr;
}

// A new tensor if there is a table, otherwise a new array. Sets `data` to the address of its values. Returns null with
// an error set if there is no memory.
template <class T>
inline py::object new_output(const tensor::Table* table, const Py_intptr_t (&shape)[3], T*& data) {
  if (table) return py::reinterpret_steal<py::object>(tensor::make<T>(*table, shape, data));
  py::object array = plain::new_array<T>(3, shape);
  if (array) data = plain::data<T>(array.ptr());
  return array;
}

template <class T>
PyObject* call(const Network<T>& net, PyObject* input, PyObject* hx, bool batch_first, int num_threads,
               const tensor::Table* table) {
  const Spec& spec = net.spec();
  const bool lstm = spec.cell == Cell::lstm;
  const std::int64_t input_size = spec.input_size, output_size = spec.output_size(), state_size = spec.state_size();
  const Values<T> x = values_of<T>(input, table);
  if (!x.data || x.shape[2] != input_size) return not_implemented();

  const int time = batch_first ? 1 : 0;
  const Py_intptr_t direction_runs = spec.direction_runs();
  const Py_intptr_t rows = x.shape[1 - time], steps = x.shape[time];
  const Py_intptr_t y_shape[3] = {x.shape[0], x.shape[1], output_size};
  const Py_intptr_t h_shape[3] = {direction_runs, rows, state_size},
                    c_shape[3] = {direction_runs, rows, spec.hidden_size};
  const std::int64_t row = batch_first ? steps : 1, step = batch_first ? 1 : rows;
  Call<T> call;
  call.steps = steps;
  call.rows = rows;
  call.x = x.data;
  call.x_step = step * input_size;
  call.x_row = row * input_size;
  call.y_step = step * output_size;
  call.y_row = row * output_size;
  if (hx != Py_None) {
    const bool pair = lstm && PyTuple_CheckExact(hx) && PyTuple_GET_SIZE(hx) == 2;
    if (pair != lstm) return not_implemented();
    call.h_0 = state_of<T>(pair ? PyTuple_GET_ITEM(hx, 0) : hx, table, h_shape);
    call.c_0 = pair ? state_of<T>(PyTuple_GET_ITEM(hx, 1), table, c_shape) : nullptr;
    if (!call.h_0 || (pair && !call.c_0)) return not_implemented();
  }
  if (table && y_shape[0] * y_shape[1] * y_shape[2] >= kHugePageElements<T>) return not_implemented();
  const py::object y = new_output(table, y_shape, call.y);
  if (!y) return nullptr;
  const py::object h_n = new_output(table, h_shape, call.h_n);
  if (!h_n) return nullptr;
  const py::object c_n = lstm ? new_output(table, c_shape, call.c_n) : py::object();
  if (lstm && !c_n) return nullptr;
  try {
    run_call(net.prepare(call, num_threads));
  } catch (const std::bad_alloc&) {
    return PyErr_NoMemory();
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
    return nullptr;
  }
  if (!lstm) return PyTuple_Pack(2, y.ptr(), h_n.ptr());
  const py::object state = py::reinterpret_steal<py::object>(PyTuple_Pack(2, h_n.ptr(), c_n.ptr()));
  return state ? PyTuple_Pack(2, y.ptr(), state.ptr()) : nullptr;
}

PyObject* call(PyObject* network, PyObject* input, PyObject* hx, bool batch_first, int num_threads,
               const tensor::Table* table) {
  if (Py_TYPE(network) == network_type<float>) {
    const auto* net = plain::cpp_object<const Network<float>>(network);
    return net ? call(*net, input, hx, batch_first, num_threads, table) : not_implemented();
  }
  if (Py_TYPE(network) == network_type<double>) {
    const auto* net = plain::cpp_object<const Network<double>>(network);
    return net ? call(*net, input, hx, batch_first, num_threads, table) : not_implemented();
  }
  return not_implemented();
}

PyObject* fast_call(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  if (count != 5 && count != 6) {
    PyErr_SetString(PyExc_TypeError, "expected call(network, x, hx, batch_first, num_threads, table=None)");
    return nullptr;
  }
  const int truth = PyObject_IsTrue(arguments[3]);
  if (truth < 0) return nullptr;
  const bool batch_first = truth == 1;
  const long num_threads = PyLong_AsLong(arguments[4]);
  if (num_threads < 1 || num_threads > std::numeric_limits<int>::max()) {
    PyErr_Clear();
    return not_implemented();
  }
  const auto threads = static_cast<int>(num_threads);
  const tensor::Table* table = count == 6 ? tensor::table(arguments[5]) : nullptr;
  return call(arguments[0], arguments[1], arguments[2], batch_first, threads, table);
}

PyObject *core_name = nullptr, *batch_first_name = nullptr, *num_threads_name = nullptr;

// The call of a layer, whose attributes are the other arguments of call().
PyObject* call_layer(PyObject* layer, PyObject* x, PyObject* hx) {
  const py::object core = fast_method::attribute(layer, core_name);
  const py::object batch_first = fast_method::attribute(layer, batch_first_name);
  const py::object num_threads = fast_method::attribute(layer, num_threads_name);
  if (!core || !batch_first || !num_threads) return not_implemented();
  PyObject* const arguments[] = {core.ptr(), x, hx, batch_first.ptr(), num_threads.ptr()};
  return fast_call(nullptr, arguments, 5);
}

PyMethodDef methods[] = {
    {"call", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(fast_call)), METH_FASTCALL,
     "call(network: object, x: object, hx: object, batch_first: bool, num_threads: int, table: object = None) -> "
     "typing.Any\n\n"
     "Returns y, h_n or y, (h_n, c_n) for plain arrays; with a table, for plain tensors. NotImplemented for others."},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace

void register_fast_call(py::module_& m) {
  plain::look_up();
  network_type<float> = reinterpret_cast<PyTypeObject*>(py::type::of<Network<float>>().release().ptr());
  network_type<double> = reinterpret_cast<PyTypeObject*>(py::type::of<Network<double>>().release().ptr());
  core_name = PyUnicode_InternFromString("_core");
  batch_first_name = PyUnicode_InternFromString("batch_first");
  num_threads_name = PyUnicode_InternFromString("num_threads");
  if (PyModule_AddFunctions(m.ptr(), methods) != 0) throw py::error_already_set();
  m.def(
      "call_first", [](const py::object& function) { return fast_method::make(call_layer, "hx", function); },
      py::arg("function"),
      "A method of a layer: tries call() with the layer's attributes, and calls function(self, x, hx=None, ...) if the "
      "result is NotImplemented, or if there are other arguments.");
}
