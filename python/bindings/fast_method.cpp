#include "fast_method.h"

#include <structmember.h>

#include <cstddef>

namespace py = pybind11;

namespace {

// Python finds `vectorcall` and `weak_references` by their offsets.
struct Method {
  PyObject_HEAD vectorcallfunc vectorcall;
  PyObject* weak_references;
  fast_method::Function fast;
  PyObject* keyword;
  PyObject* function;
};

Method* as_method(PyObject* object) { return reinterpret_cast<Method*>(object); }

PyObject* call_method(PyObject* object, PyObject* const* arguments, std::size_t flags, PyObject* keywords) {
  const Method* method = as_method(object);
  const Py_ssize_t given = PyVectorcall_NARGS(flags), by_name = keywords ? PyTuple_GET_SIZE(keywords) : 0;
  const bool is_known =
      by_name == 0 || (given == 2 && by_name == 1 && PyTuple_GET_ITEM(keywords, 0) == method->keyword);
  if (is_known && (given == 2 || given == 3)) {
    PyObject* result = method->fast(arguments[0], arguments[1], given + by_name == 3 ? arguments[2] : Py_None);
    if (result != Py_NotImplemented) return result;
    Py_DECREF(result);
  }
  return PyObject_Vectorcall(method->function, arguments, flags, keywords);
}

// As for a Python function: a bound method for an instance, the method itself for a class.
PyObject* bind(PyObject* object, PyObject* instance, PyObject*) {
  if (instance) return PyMethod_New(object, instance);
  Py_INCREF(object);
  return object;
}

// Attributes that this type lacks are those of the function.
PyObject* get_attribute(PyObject* object, PyObject* name) {
  PyObject* found = PyObject_GenericGetAttr(object, name);
  if (found || !PyErr_ExceptionMatches(PyExc_AttributeError)) return found;
  PyErr_Clear();
  return PyObject_GetAttr(as_method(object)->function, name);
}

// Attributes that each type has itself, but that must be those of the function.
PyObject* attribute_of_function(PyObject* object, void* name) {
  return PyObject_GetAttrString(as_method(object)->function, static_cast<const char*>(name));
}

PyObject* represent(PyObject* object) { return PyObject_Repr(as_method(object)->function); }

// A pickle names the method, as that of a function does.
PyObject* reduce(PyObject* object, PyObject*) { return PyObject_GetAttrString(object, "__qualname__"); }

int traverse(PyObject* object, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(object));
  Py_VISIT(as_method(object)->function);
  return 0;
}

int clear(PyObject* object) {
  Py_CLEAR(as_method(object)->function);
  return 0;
}

void deallocate(PyObject* object) {
  PyTypeObject* const type = Py_TYPE(object);
  PyObject_GC_UnTrack(object);
  if (as_method(object)->weak_references) PyObject_ClearWeakRefs(object);
  clear(object);
  Py_CLEAR(as_method(object)->keyword);
  type->tp_free(object);
  Py_DECREF(type);
}

PyObject* make_type() {
  static PyMemberDef members[] = {
      {"__vectorcalloffset__", T_PYSSIZET, offsetof(Method, vectorcall), READONLY, nullptr},
      {"__weaklistoffset__", T_PYSSIZET, offsetof(Method, weak_references), READONLY, nullptr},
      {"__wrapped__", T_OBJECT, offsetof(Method, function), READONLY, nullptr},
      {nullptr, 0, 0, 0, nullptr}};
  static char doc[] = "__doc__", module[] = "__module__";
  static PyGetSetDef attributes[] = {{doc, attribute_of_function, nullptr, nullptr, doc},
                                     {module, attribute_of_function, nullptr, nullptr, module},
                                     {nullptr, nullptr, nullptr, nullptr, nullptr}};
  static PyMethodDef methods[] = {{"__reduce__", reduce, METH_NOARGS, nullptr}, {nullptr, nullptr, 0, nullptr}};
  static PyType_Slot slots[] = {{Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
                                {Py_tp_descr_get, reinterpret_cast<void*>(bind)},
                                {Py_tp_getattro, reinterpret_cast<void*>(get_attribute)},
                                {Py_tp_repr, reinterpret_cast<void*>(represent)},
                                {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
                                {Py_tp_clear, reinterpret_cast<void*>(clear)},
                                {Py_tp_dealloc, reinterpret_cast<void*>(deallocate)},
                                {Py_tp_members, members},
                                {Py_tp_getset, attributes},
                                {Py_tp_methods, methods},
                                {0, nullptr}};
  // METHOD_DESCRIPTOR: object.method(...) passes the object as the first argument, and makes no bound method.
  static PyType_Spec spec = {"gatecell._core.fast_method", sizeof(Method), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
                                 Py_TPFLAGS_METHOD_DESCRIPTOR | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                             slots};
  return PyType_FromSpec(&spec);
}

}  // namespace

namespace fast_method {

py::object make(Function fast, const char* keyword, const py::handle& function) {
  static PyObject* const type = make_type();
  if (!type) throw py::error_already_set();
  auto* method = PyObject_GC_New(Method, reinterpret_cast<PyTypeObject*>(type));
  if (!method) throw py::error_already_set();
  method->vectorcall = call_method;
  method->weak_references = nullptr;
  method->fast = fast;
  method->keyword = PyUnicode_InternFromString(keyword);
  method->function = function.inc_ref().ptr();
  PyObject_GC_Track(method);
  return py::reinterpret_steal<py::object>(reinterpret_cast<PyObject*>(method));
}

}  // namespace fast_method
