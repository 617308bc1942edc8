// Checks that accelerate makes on PyTorch's tensors in each call. In Python each check would take about 50 ns.
#include "tensor.h"

#include <pybind11/pybind11.h>

#include "register.h"

namespace py = pybind11;

namespace {

PyObject *is_neg_name = nullptr, *version_name = nullptr;

// Whether the class of the object is one of `classes`, and the object is no negated view; -1 with an error set.
int is_plain(PyObject* object, PyObject* classes) {
  const int known = PySet_Contains(classes, reinterpret_cast<PyObject*>(Py_TYPE(object)));
  if (known != 1) return known;
  const auto negative = py::reinterpret_steal<py::object>(PyObject_CallMethodNoArgs(object, is_neg_name));
  return negative ? negative.is(py::handle(Py_False)) : -1;
}

PyObject* plain_tensors(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  if (count != 3 || !PyTuple_Check(arguments[1]) || !PyFrozenSet_Check(arguments[2])) {
    PyErr_SetString(PyExc_TypeError, "expected plain_tensors(tensor, tuple, frozenset)");
    return nullptr;
  }
  int plain = is_plain(arguments[0], arguments[2]);
  for (Py_ssize_t i = 0; plain == 1 && i < PyTuple_GET_SIZE(arguments[1]); ++i) {
    plain = is_plain(PyTuple_GET_ITEM(arguments[1], i), arguments[2]);
  }
  return plain < 0 ? nullptr : PyBool_FromLong(plain);
}

// Whether the shape of a view is the tuple `known`.
bool has_shape(const tensor::View& view, PyObject* known) {
  if (view.axes != PyTuple_GET_SIZE(known)) return false;
  for (int axis = 0; axis < view.axes; ++axis) {
    if (PyLong_AsLongLong(PyTuple_GET_ITEM(known, axis)) != view.shape[axis]) return false;
  }
  return true;
}

// Whether a weight is the tensor `packed` and has not changed since it was packed. `known` is its address, version
// counter, shape and more at that time. Returns false if the tensor is not contiguous, or is another tensor at the same
// address (for example a transposed view); then the caller compares.
bool is_unchanged(const tensor::Table& table, PyObject* weight, PyObject* packed, PyObject* known, int bits) {
  tensor::View view;
  if (weight != packed || table.view(weight, &view) != 0) return false;
  if (!view.is_floating(bits) || !tensor::is_contiguous(view)) return false;
  const auto version = py::reinterpret_steal<py::object>(PyObject_GetAttr(weight, version_name));
  if (!version || PyLong_AsVoidPtr(PyTuple_GET_ITEM(known, 0)) != view.data) return false;
  if (!has_shape(view, PyTuple_GET_ITEM(known, 2))) return false;
  return PyObject_RichCompareBool(version.ptr(), PyTuple_GET_ITEM(known, 1), Py_EQ) == 1;
}

// unchanged(parameters, names, weights, key, bits, table): whether the weights of a module are still those that were
// packed. False also if it cannot tell, for example for inference tensors.
PyObject* unchanged(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  const tensor::Table* table = count == 6 ? tensor::table(arguments[5]) : nullptr;
  if (!table || !PyDict_Check(arguments[0])) Py_RETURN_FALSE;
  PyObject *const names = arguments[1], *const weights = arguments[2], *const key = arguments[3];
  for (PyObject* list : {names, weights, key}) {
    if (!PyList_Check(list) || PyList_GET_SIZE(list) != PyList_GET_SIZE(names)) Py_RETURN_FALSE;
  }
  const auto bits = static_cast<int>(PyLong_AsLong(arguments[4]));
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(names); ++i) {
    PyObject* weight = PyDict_GetItemWithError(arguments[0], PyList_GET_ITEM(names, i));
    if (!is_unchanged(*table, weight, PyList_GET_ITEM(weights, i), PyList_GET_ITEM(key, i), bits)) {
      PyErr_Clear();
      Py_RETURN_FALSE;
    }
  }
  Py_RETURN_TRUE;
}

PyMethodDef methods[] = {
    {"plain_tensors", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(plain_tensors)), METH_FASTCALL,
     "plain_tensors(first: object, rest: object, classes: object) -> bool\n\n"
     "Whether the class of each object is one of `classes`, and no object is a negated view."},
    {"unchanged", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(unchanged)), METH_FASTCALL,
     "unchanged(parameters: object, names: object, weights: object, key: object, bits: int, table: object) -> bool\n\n"
     "Whether the named tensors are the given weights, contiguous, with the addresses, versions and shapes in the "
     "key. False also if that is not known."},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace

void register_tensor(py::module_& m) {
  is_neg_name = PyUnicode_InternFromString("is_neg");
  version_name = PyUnicode_InternFromString("_version");
  if (!is_neg_name || !version_name || PyModule_AddFunctions(m.ptr(), methods) != 0) throw py::error_already_set();
}
