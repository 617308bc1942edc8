// Converts weights from PyTorch's layout to the panels that kernels read, and back, bit for bit.
//
// A row-major matrix (gates*U, K) becomes [block][k][gate][W]. Block b holds the units b*W ... b*W+W-1; their W weights
// of one k and one gate are adjacent. The units beyond U are zeros. k is never padded: with a NaN in x, the padding
// would give 0 x NaN = NaN.
#pragma once

#include <cstddef>

namespace gatecell {

struct PanelShape {
  PanelShape() = default;
  PanelShape(std::ptrdiff_t units_, std::ptrdiff_t depth_, int num_gates_, int lanes_)
      : units(units_), depth(depth_), num_gates(num_gates_), lanes(lanes_), blocks((units_ + lanes_ - 1) / lanes_) {}

  std::ptrdiff_t padded_units() const { return blocks * lanes; }
  std::ptrdiff_t size() const { return padded_units() * num_gates * depth; }  // scalars in all panels

  std::ptrdiff_t units = 0;  // matrix rows per gate
  std::ptrdiff_t depth = 0;  // matrix columns
  int num_gates = 1;
  int lanes = 1;
  std::ptrdiff_t blocks = 0;  // stored, so that a call need not divide
};

template <class T>
void pack_panels(const PanelShape& shape, const T* matrix, T* panels);

template <class T>
void unpack_panels(const PanelShape& shape, const T* panels, T* matrix);

// Packs the first number of each chain, [block][gate][W]: b_ih + b_hh for gates below `summed`, only b_ih for the other
// gates. Null biases are zeros.
template <class T>
void pack_bias(const PanelShape& shape, int summed, const T* bias_ih, const T* bias_hh, T* packed);

}  // namespace gatecell
