// Converts weights from PyTorch's layout to the panels that kernels read.
//
// A row-major matrix (gates*U, K) becomes [block][k][gate][W] or, with strips, [block][strip][k][gate of the strip][W].
// Block b holds the units b*W ... b*W+W-1; their W weights of one k and one gate are adjacent. The units beyond U are
// zeros. k is never padded: with a NaN in x, the padding would give 0 x NaN = NaN. A weight type may have float vectors
// beside the panels, [block][vector][gate][W].
//
// Strips make steps of 4 rows and more faster where the kernels have 16 registers (kernels/tile.h). With one row, a
// matrix that comes from the L3 cache is read more slowly in two strips. So larger matrices have none.
#pragma once

#include <cstddef>

#include "kernels/table.h"

namespace gatecell {

// The shape of a packed matrix.
struct PanelShape {
  PanelShape() = default;
  PanelShape(std::ptrdiff_t units_, std::ptrdiff_t depth_, int num_gates_, const PanelFormat& format);

  std::ptrdiff_t padded_units() const { return blocks * lanes; }
  std::ptrdiff_t weights() const { return padded_units() * num_gates * depth; }  // in all panels
  std::ptrdiff_t size() const { return blocks * panel_step; }                    // with the room between strips
  std::ptrdiff_t bytes() const { return size() * weight_bytes; }                 // of all panels
  std::ptrdiff_t lane_vectors_size() const { return padded_units() * num_gates * lane_vectors; }  // floats
  bool has_strips() const { return k_step < num_gates * lanes; }

  std::ptrdiff_t units = 0;  // matrix rows per gate
  std::ptrdiff_t depth = 0;  // matrix columns
  int num_gates = 1;
  int lanes = 1;
  int weight_bytes = 0;
  int lane_vectors = 0;
  int strip_gates = 1;
  std::ptrdiff_t blocks = 0;                                  // stored, so that a call need not divide
  std::ptrdiff_t panel_step = 0, strip_step = 0, k_step = 0;  // as in Panels
};

// Stores one matrix row in a panel. weights[k] becomes the weight at to + k * step; step is in bytes. The number of
// vector v for this matrix row is lane_vectors[v * vector_step].
template <class T>
using PackRow = void (*)(const T* weights, std::ptrdiff_t depth, std::byte* to, std::ptrdiff_t step,
                         float* lane_vectors, std::ptrdiff_t vector_step);

// How a weight type stores a matrix row.
template <class T>
PackRow<T> pack_row(WeightType type);

// `panels` has room for shape.bytes(), `lane_vectors` for shape.lane_vectors_size() floats.
template <class T>
void pack_panels(const PanelShape& shape, PackRow<T> pack_row, const T* matrix, std::byte* panels, float* lane_vectors);

// Packs the first number of each chain, [block][gate][W]: b_ih + b_hh for gates below `summed`, only b_ih for the other
// gates. Null biases are zeros.
template <class T>
void pack_bias(const PanelShape& shape, int summed, const T* bias_ih, const T* bias_hh, T* packed);

}  // namespace gatecell
