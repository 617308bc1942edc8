// A method of a Python class that first tries a C function, without a Python frame: a frame, the attributes that it
// reads and its calls take as long as a small step of a network.
#pragma once

#include <pybind11/pybind11.h>

namespace fast_method {

// Tries a call method(self, first[, second]). `second` is None if the caller gave none. Returns NotImplemented for
// arguments that the Python function must handle, valid or not.
using Function = PyObject* (*)(PyObject* self, PyObject* first, PyObject* second);

// A method for a class body. It behaves like `function`, a Python function (self, first, second=None, ...), and has its
// name, docstring and signature. It tries `fast` first if the caller gives only these arguments, `second` by position
// or by this keyword.
pybind11::object make(Function fast, const char* keyword, const pybind11::handle& function);

// The attribute of an object; null without an error set if it has none.
inline pybind11::object attribute(PyObject* object, PyObject* name) {
  auto value = pybind11::reinterpret_steal<pybind11::object>(PyObject_GetAttr(object, name));
  if (!value) PyErr_Clear();
  return value;
}

}  // namespace fast_method
