// Arrays that are just as the core wants them, seen without pybind11's conversions: those cost a microsecond.
#pragma once

#include <pybind11/numpy.h>

namespace plain {

// Looked up once, when the module is made.
inline const pybind11::detail::npy_api* numpy = nullptr;
template <class T>
inline PyObject* dtype = nullptr;

inline void look_up() {
  numpy = &pybind11::detail::npy_api::get();
  dtype<float> = pybind11::dtype::of<float>().release().ptr();
  dtype<double> = pybind11::dtype::of<double>().release().ptr();
  dtype<std::int64_t> = pybind11::dtype::of<std::int64_t>().release().ptr();
}

// Whether it is T's in native byte order. There may be several such objects: pickle makes one for each array.
template <class T>
bool is_dtype(PyObject* descr) {
  if (descr == dtype<T>) return true;
  const auto found = pybind11::reinterpret_borrow<pybind11::dtype>(descr);
  return found.num() == pybind11::reinterpret_borrow<pybind11::dtype>(dtype<T>).num() && found.byteorder() == '=';
}

// The array's shape where it is C-contiguous, aligned, of T and of so many axes; else null.
template <class T>
const Py_intptr_t* shape(PyObject* array, int axes) {
  using pybind11::detail::npy_api;
  constexpr int flags = npy_api::NPY_ARRAY_C_CONTIGUOUS_ | npy_api::NPY_ARRAY_ALIGNED_;
  if (Py_TYPE(array) != numpy->PyArray_Type_) return nullptr;
  const auto* proxy = pybind11::detail::array_proxy(array);
  const bool fits = proxy->nd == axes && (proxy->flags & flags) == flags && is_dtype<T>(proxy->descr);
  return fits ? proxy->dimensions : nullptr;
}

inline bool writeable(PyObject* array) {
  return pybind11::detail::array_proxy(array)->flags & pybind11::detail::npy_api::NPY_ARRAY_WRITEABLE_;
}

template <class T>
T* data(PyObject* array) {
  return reinterpret_cast<T*>(pybind11::detail::array_proxy(array)->data);
}

// Uninitialised; null with an error set where there is no memory.
template <class T>
pybind11::object new_array(int axes, const Py_intptr_t* shape) {
  Py_INCREF(dtype<T>);  // the array takes it
  return pybind11::reinterpret_steal<pybind11::object>(
      numpy->PyArray_NewFromDescr_(numpy->PyArray_Type_, dtype<T>, axes, shape, nullptr, nullptr, 0, nullptr));
}

// The C++ object that pybind11 keeps in this one of its types; null where __new__ alone has made it.
template <class S>
S* held(PyObject* object) {
  auto* instance = reinterpret_cast<pybind11::detail::instance*>(object);
  return static_cast<S*>(instance->get_value_and_holder().value_ptr());
}

}  // namespace plain

inline PyObject* not_implemented() {
  Py_INCREF(Py_NotImplemented);
  return Py_NotImplemented;
}
