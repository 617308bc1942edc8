// Checks of arrays, without conversions. Error messages name the array: "expected c_0 (2, 3, 8), got (2, 3, 7)".
#pragma once

#include <pybind11/numpy.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace checks {

template <class T>
using Array = pybind11::array_t<T, 0>;  // no conversion, any strides
using Indices = Array<std::int64_t>;
using Shape = std::vector<std::int64_t>;

inline std::string to_text(const Shape& numbers) {
  std::string text = "(";
  for (const std::int64_t n : numbers) text += (text.size() > 1 ? ", " : "") + std::to_string(n);
  return text + (numbers.size() == 1 ? ",)" : ")");
}

inline std::string strides(const pybind11::array& array) {
  return to_text(Shape(array.strides(), array.strides() + array.ndim()));
}

// The functions below throw std::invalid_argument.

// Checks that the array has this shape.
inline void shape(const std::string& what, const pybind11::array& array, const Shape& expected) {
  const Shape found(array.shape(), array.shape() + array.ndim());
  if (found == expected) return;
  throw std::invalid_argument("expected " + what + " " + to_text(expected) + ", got " + to_text(found));
}

// Checks the shape, and that the array is C-contiguous. Returns its values.
template <class T>
const T* contiguous(const std::string& what, const Array<T>& array, const Shape& expected) {
  shape(what, array, expected);
  if (array.flags() & pybind11::array::c_style) return array.data();
  throw std::invalid_argument("expected " + what + " " + to_text(expected) + " C-contiguous, got strides " +
                              strides(array));
}

// The stride of one of three axes, in elements. The last axis is the features, which must be adjacent.
template <class T>
std::int64_t stride(const std::string& what, const Array<T>& array, int axis) {
  const auto size = static_cast<pybind11::ssize_t>(sizeof(T));
  if (array.shape(2) > 1 && array.strides(2) != size && array.size() > 0) {
    throw std::invalid_argument("expected " + what + " with adjacent features, got strides " + strides(array));
  }
  if (array.shape(axis) < 2 || array.size() == 0) return 0;  // such an axis may have any stride in NumPy
  if (array.strides(axis) % size == 0) return array.strides(axis) / size;
  throw std::invalid_argument("expected " + what + " with strides in multiples of " + std::to_string(size) + ", got " +
                              strides(array));
}

}  // namespace checks
