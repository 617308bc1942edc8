// From PyTorch's weight layout to the panels kernels read, and back, bit for bit.
//
// A matrix (gates*U, K), row-major, becomes [block][k][gate][W]: block b holds units b*W ... b*W+W-1, the W weights of
// one k and gate side by side. Units beyond U are zero rows; k is never padded, because 0 x NaN would leak between
// features.
#pragma once

#include <cstddef>

namespace gatecell {

struct PanelShape {
  PanelShape() = default;
  PanelShape(std::ptrdiff_t units_, std::ptrdiff_t depth_, int gates_, int lanes_)
      : units(units_), depth(depth_), gates(gates_), lanes(lanes_), blocks((units_ + lanes_ - 1) / lanes_) {}

  std::ptrdiff_t padded_units() const { return blocks * lanes; }
  std::ptrdiff_t size() const { return padded_units() * gates * depth; }  // scalars in all panels

  std::ptrdiff_t units = 0;  // rows of the matrix per gate
  std::ptrdiff_t depth = 0;  // columns
  int gates = 1;
  int lanes = 1;
  std::ptrdiff_t blocks = 0;  // a member because calls should not divide
};

template <class T>
void pack_panels(const PanelShape& shape, const T* matrix, T* panels);

template <class T>
void unpack_panels(const PanelShape& shape, const T* panels, T* matrix);

// What each chain starts from, [block][gate][W]: b_ih + b_hh for gates below `summed`, b_ih alone for the others. Null
// biases are zeros.
template <class T>
void pack_bias(const PanelShape& shape, int summed, const T* bias_ih, const T* bias_hh, T* packed);

}  // namespace gatecell
