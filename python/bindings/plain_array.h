// Plain arrays: arrays that the core can use without a conversion. The functions here avoid pybind11's argument
// conversions, which take a microsecond.
#pragma once

#include <pybind11/numpy.h>

#include <cfenv>
#include <type_traits>

namespace plain {

// look_up() sets these once, when the module is created.
inline const pybind11::detail::npy_api* numpy = nullptr;
template <class T>
inline PyObject* dtype = nullptr;

inline void look_up() {
  numpy = &pybind11::detail::npy_api::get();
  dtype<float> = pybind11::dtype::of<float>().release().ptr();
  dtype<double> = pybind11::dtype::of<double>().release().ptr();
  dtype<std::int64_t> = pybind11::dtype::of<std::int64_t>().release().ptr();
}

// Whether a dtype is that of T in native byte order. It may be another object than dtype<T>: pickle creates a dtype for
// each array.
template <class T>
bool is_dtype(PyObject* descr) {
  if (descr == dtype<T>) return true;
  const auto found = pybind11::reinterpret_borrow<pybind11::dtype>(descr);
  return found.num() == pybind11::reinterpret_borrow<pybind11::dtype>(dtype<T>).num() && found.byteorder() == '=';
}

// The shape of an array, if it is C-contiguous and aligned and has elements of type T and this number of axes.
// Otherwise null.
template <class T>
const Py_intptr_t* shape(PyObject* array, int axes) {
  using pybind11::detail::npy_api;
  constexpr int flags = npy_api::NPY_ARRAY_C_CONTIGUOUS_ | npy_api::NPY_ARRAY_ALIGNED_;
  if (Py_TYPE(array) != numpy->PyArray_Type_) return nullptr;
  const auto* proxy = pybind11::detail::array_proxy(array);
  const bool is_plain = proxy->nd == axes && (proxy->flags & flags) == flags && is_dtype<T>(proxy->descr);
  return is_plain ? proxy->dimensions : nullptr;
}

inline bool writeable(PyObject* array) {
  return pybind11::detail::array_proxy(array)->flags & pybind11::detail::npy_api::NPY_ARRAY_WRITEABLE_;
}

template <class T>
T* data(PyObject* array) {
  return reinterpret_cast<T*>(pybind11::detail::array_proxy(array)->data);
}

// A new uninitialised array; null with a Python error set if there is no memory.
template <class T>
pybind11::object new_array(int axes, const Py_intptr_t* shape) {
  Py_INCREF(dtype<T>);  // the array takes this reference
  return pybind11::reinterpret_steal<pybind11::object>(
      numpy->PyArray_NewFromDescr_(numpy->PyArray_Type_, dtype<T>, axes, shape, nullptr, nullptr, 0, nullptr));
}

// The address of the first byte of an array's values, and the address behind the last byte.
inline std::pair<const char*, const char*> extent(PyObject* array) {
  const auto* proxy = pybind11::detail::array_proxy(array);
  const char *first = proxy->data, *last = first;
  for (int axis = 0; axis < proxy->nd; ++axis) {
    if (proxy->dimensions[axis] == 0) return {first, first};
    const Py_intptr_t reach = (proxy->dimensions[axis] - 1) * proxy->strides[axis];
    (reach < 0 ? first : last) += reach;
  }
  return {first, last + pybind11::reinterpret_borrow<pybind11::dtype>(proxy->descr).itemsize()};
}

template <class T, class From>
void convert_values(const char* from, const Py_intptr_t (&shape)[2], const Py_intptr_t (&strides)[2], T* to) {
  for (Py_intptr_t i = 0; i < shape[0]; ++i) {
    for (Py_intptr_t k = 0; k < shape[1]; ++k) {
      *to++ = static_cast<T>(*reinterpret_cast<const From*>(from + i * strides[0] + k * strides[1]));
    }
  }
}

// Converts an aligned array of float32 or float64 in any layout to a new plain array of T. The shape must be (rows,
// features), or (features) for one row. Returns null for other arrays; a Python error is set only if there is no
// memory. Values out of range become infinite without a warning; NumPy would take a microsecond to suppress that
// warning.
template <class T>
pybind11::object convert_to_plain(PyObject* array, std::int64_t rows, std::int64_t features) {
  using Other = std::conditional_t<std::is_same_v<T, float>, double, float>;
  if (Py_TYPE(array) != numpy->PyArray_Type_) return {};
  const auto* proxy = pybind11::detail::array_proxy(array);
  const bool is_same = is_dtype<T>(proxy->descr),
             is_aligned = proxy->flags & pybind11::detail::npy_api::NPY_ARRAY_ALIGNED_;
  const bool has_shape = proxy->nd == 2   ? proxy->dimensions[0] == rows && proxy->dimensions[1] == features
                         : proxy->nd == 1 ? rows == 1 && proxy->dimensions[0] == features
                                          : false;
  if (!has_shape || !is_aligned || !(is_same || is_dtype<Other>(proxy->descr))) return {};
  pybind11::object result = new_array<T>(proxy->nd, proxy->dimensions);
  if (!result) return result;
  const bool one = proxy->nd == 1;
  const Py_intptr_t shape[] = {one ? 1 : proxy->dimensions[0], proxy->dimensions[one ? 0 : 1]};
  const Py_intptr_t strides[] = {one ? 0 : proxy->strides[0], proxy->strides[one ? 0 : 1]};
  std::fenv_t mode;
  std::feholdexcept(&mode);
  (is_same ? convert_values<T, T> : convert_values<T, Other>)(proxy->data, shape, strides, data<T>(result.ptr()));
  std::fesetenv(&mode);
  return result;
}

// The C++ object inside an object of a pybind11 type; null if only __new__ has run, not __init__.
template <class S>
S* cpp_object(PyObject* object) {
  auto* instance = reinterpret_cast<pybind11::detail::instance*>(object);
  return static_cast<S*>(instance->simple_layout ? instance->simple_value_holder[0]
                                                 : instance->get_value_and_holder().value_ptr());
}

}  // namespace plain

// A new reference to NotImplemented.
inline PyObject* not_implemented() {
  Py_INCREF(Py_NotImplemented);
  return Py_NotImplemented;
}
