// Pool32 and Pool64, and pool_step(pool, ids, x), the fast path of a step of some streams: plain arrays, without
// pybind11's argument conversions.
#include "gatecell/stream_pool.h"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <new>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "plain_array.h"
#include "register.h"
#include "run_call.h"
#include "session.h"
#include "state_arrays.h"

namespace py = pybind11;
using namespace py::literals;

namespace gatecell {

// A stream pool, and whether a thread uses it now. The name of this type must be unique: see StreamSession.
template <class T>
struct PoolSession {
  PoolSession(const Network<T>& network, std::int64_t capacity, int threads)
      : pool(network, capacity), spec(network.spec()), num_threads(threads) {}

  StreamPool<T> pool;
  Spec spec;
  int num_threads;
  std::vector<std::int64_t> ids;  // of the last step; kept so that steps need not allocate
  bool busy = false;
};

}  // namespace gatecell

namespace {

using gatecell::Network;
using gatecell::PoolSession;

using checks::Array;
using checks::Indices;
using Ids = std::vector<std::int64_t>;

const std::int64_t* values(const Indices& ids) { return checks::contiguous("ids", ids, {ids.size()}); }

template <class T>
std::pair<Array<T>, std::optional<Array<T>>> get_state(const PoolSession<T>& s, const Indices& ids) {
  state_arrays::State<T> state(s.spec, ids.size());
  s.pool.get_state(values(ids), ids.size(), state.h_data(), state.c_data());
  return {std::move(state.h), std::move(state.c)};
}

template <class T>
void set_state(PoolSession<T>& s, const Indices& ids, const std::optional<Array<T>>& h,
               const std::optional<Array<T>>& c) {
  const T* const h_values = state_arrays::values("h", h, {s.spec.num_layers, ids.size(), s.spec.state_size()});
  const T* const c_values = state_arrays::values("c", c, {s.spec.num_layers, ids.size(), s.spec.hidden_size});
  s.pool.set_state(values(ids), ids.size(), h_values, c_values);
}

template <class T>
Array<T> run(PoolSession<T>& s, const Indices& ids, const Indices& lengths, const Array<T>& x) {
  const std::int64_t n = ids.size();
  const std::int64_t *const first_id = values(ids), *const first = checks::contiguous("lengths", lengths, {n});
  const std::int64_t steps = std::accumulate(first, first + n, std::int64_t{0});
  const T* const from = checks::contiguous("x", x, {steps, s.spec.input_size});
  Array<T> y({steps, s.spec.output_size()});
  run_call(s.pool.prepare(first_id, n, first, from, y.mutable_data(), s.num_threads));
  return y;
}

template <class T>
PyTypeObject* session_type = nullptr;  // set when the module is created

// Reads an int64 array, or a list or tuple of ints, with at most `most` ids. Returns false for anything else.
bool read_ids(PyObject* object, std::int64_t most, Ids& ids) {
  if (const Py_intptr_t* shape = plain::shape<std::int64_t>(object, 1)) {
    if (shape[0] > most) return false;
    const auto* const first = plain::data<std::int64_t>(object);
    ids.assign(first, first + shape[0]);
    return true;
  }
  if (!PyList_CheckExact(object) && !PyTuple_CheckExact(object)) return false;
  if (PySequence_Fast_GET_SIZE(object) > most) return false;
  ids.clear();
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(object); ++i) {
    PyObject* const item = PySequence_Fast_GET_ITEM(object, i);
    int overflow = 0;
    if (!PyLong_CheckExact(item)) return false;
    ids.push_back(PyLong_AsLongLongAndOverflow(item, &overflow));
    if (overflow) return false;
  }
  return true;
}

template <class T>
PyObject* step(PyObject* object, PyObject* ids_object, PyObject* x) {
  auto* found = plain::cpp_object<PoolSession<T>>(object);
  if (!found || found->busy) return not_implemented();
  PoolSession<T>& s = *found;
  if (!read_ids(ids_object, s.pool.size(), s.ids)) return not_implemented();
  const auto n = static_cast<std::int64_t>(s.ids.size());
  const Py_intptr_t* shape = plain::shape<T>(x, 2);
  py::object converted;
  if (!shape) {
    converted = plain::convert_to_plain<T>(x, n, s.spec.input_size);
    if (!converted) return PyErr_Occurred() ? nullptr : not_implemented();
    x = converted.ptr();
    shape = plain::shape<T>(x, 2);
  }
  if (!shape || shape[0] != n || shape[1] != s.spec.input_size) return not_implemented();
  const Py_intptr_t y_shape[2] = {n, s.spec.output_size()};
  const py::object y = plain::new_array<T>(2, y_shape);
  if (!y) return nullptr;
  const T* const from = plain::data<T>(x);  // the caller or `converted` owns it
  const session::BusyGuard guard(s.busy);
  run_call(s.pool.prepare(s.ids.data(), n, nullptr, from, plain::data<T>(y.ptr()), s.num_threads));
  return y.inc_ref().ptr();
}

PyObject* fast_step(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  if (count != 3) {
    PyErr_SetString(PyExc_TypeError, "expected pool_step(pool, ids, x)");
    return nullptr;
  }
  try {
    if (Py_TYPE(arguments[0]) == session_type<float>) return step<float>(arguments[0], arguments[1], arguments[2]);
    if (Py_TYPE(arguments[0]) == session_type<double>) return step<double>(arguments[0], arguments[1], arguments[2]);
  } catch (const std::bad_alloc&) {
    return PyErr_NoMemory();
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_ValueError, error.what());
    return nullptr;
  }
  return not_implemented();
}

template <class T>
void register_pool(py::module_& m, const char* class_name, const char* doc) {
  py::class_<PoolSession<T>> type(m, class_name, doc);
  session::one_thread_at_a_time(type, "pool");
  type.def(py::init<const Network<T>&, std::int64_t, int>(), "network"_a, "capacity"_a, "num_threads"_a,
           "Raises ValueError for a bidirectional network and for a capacity below 1.")
      .def(
          "open",
          [](PoolSession<T>& s, const std::optional<Array<T>>& h, const std::optional<Array<T>>& c) {
            const T* const h_values = state_arrays::values("h", h, {s.spec.num_layers, 1, s.spec.state_size()});
            const T* const c_values = state_arrays::values("c", c, {s.spec.num_layers, 1, s.spec.hidden_size});
            try {
              const std::int64_t id = s.pool.open();
              s.pool.set_state(&id, 1, h_values, c_values);
              return id;
            } catch (const std::length_error& error) {
              throw std::runtime_error(error.what());
            }
          },
          "h"_a.noconvert(), "c"_a.noconvert(),
          "Opens a stream and returns its id. Raises RuntimeError while `capacity` streams are open.")
      .def(
          "close", [](PoolSession<T>& s, std::int64_t id) { s.pool.close(id); }, "id"_a)
      .def("get_state", &get_state<T>, "ids"_a.noconvert(), "Copies of h (L, n, S) and, for an LSTM, of c (L, n, H).")
      .def("set_state", &set_state<T>, "ids"_a.noconvert(), "h"_a.noconvert(), "c"_a.noconvert(),
           "Sets the state of these streams from C-contiguous arrays. None means zeros.")
      .def("run", &run<T>, "ids"_a.noconvert(), "lengths"_a.noconvert(), "x"_a.noconvert(),
           "Stream i takes lengths[i] steps. x and y have the steps of the first stream, then those of the second, ...")
      .def("__len__", [](const PoolSession<T>& s) { return s.pool.size(); })
      .def_property_readonly("nbytes", [](const PoolSession<T>& s) { return s.pool.nbytes(); });
  session_type<T> = reinterpret_cast<PyTypeObject*>(type.release().ptr());
}

PyMethodDef methods[] = {
    {"pool_step", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(fast_step)), METH_FASTCALL,
     "pool_step(pool: object, ids: object, x: object) -> typing.Any\n\n"
     "Takes one step of these streams and returns y. ids is a plain int64 array or a list or tuple of ints, x an array "
     "of float32 or float64. Returns NotImplemented for other arguments, valid or not, and for a pool in use."},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace

void register_pools(py::module_& m) {
  register_pool<float>(m, "Pool32", "The state of each of several float32 streams.");
  register_pool<double>(m, "Pool64", "The state of each of several float64 streams.");
  if (PyModule_AddFunctions(m.ptr(), methods) != 0) throw py::error_already_set();
}
