// step: one time step of a PyTorch cell. The input products are projected before, or computed here. Equations: cells.h.
#pragma once

#include "cells.h"
#include "project.h"

namespace gatecell {
namespace {

// The address in y of one row and one block.
template <class T>
GATECELL_INLINE T* y_address(const StepArgs<T>& s, std::ptrdiff_t block, std::ptrdiff_t row) {
  return s.y + (s.y_index ? s.y_index[row] : row * s.y_row) + block * kLanes<T>;
}

// Stores h of one block and one row, in the state and in y.
template <class T>
GATECELL_INLINE void store_h(const StepArgs<T>& s, const Packet<T>& h, std::ptrdiff_t block, std::ptrdiff_t row) {
  constexpr int W = kLanes<T>;
  const std::ptrdiff_t unit = block * W;
  T* h_next = s.h_next + row * s.h_next_row + unit;
  ei::pstore(h_next, h);
  if (!s.y) return;
  T* y = y_address(s, block, row);
  if (unit + W <= s.units) {
    ei::pstoreu(y, h);
  } else {
    store_first(y, h_next, s.units - unit);
  }
}

// Computes the activations and the new state of one block and one row from its pre-activations.
template <class T, class Cell>
GATECELL_INLINE void finish(const StepArgs<T>& s, const Packet<T> (&a)[Cell::kGates], const T* split_input,
                            std::ptrdiff_t block, std::ptrdiff_t row) {
  store_h(s, Cell::finish(s, a, split_input, row, block * kLanes<T>), block, row);
}

template <class T, class Weight, class Cell, int J, int R>
void step_tile(const StepArgs<T>& s, std::ptrdiff_t block, std::ptrdiff_t row, TileIndex tile) {
  constexpr int W = kLanes<T>, G = Cell::kGates;
  if (R > 1 && s.y) {  // y is often in no cache: its lines arrive while the products are computed
    repeat<R>([&](auto r) GATECELL_ALWAYS { __builtin_prefetch(y_address(s, block, row + r.value), 1); });
  }
  Packet<T> sum[J][G][R];
  // The input products of kSplitGate: row r, block j at split_input + r * split_row + j * split_block.
  alignas(Packet<T>) T stored[Cell::kSplitGate < 0 ? 1 : J * R * W];
  const T* split_input = stored;
  std::ptrdiff_t split_row = J * W, split_block = W;
  if (s.projected) {
    const T* projected = s.projected + row * s.projected_row + block * G * W;
    start_chains<T, J, G, R>(projected, s.projected_row, G * W, sum);
    if constexpr (Cell::kSplitGate >= 0) {
      split_input = projected + Cell::kSplitGate * W;
      split_row = s.projected_row;
      split_block = G * W;
    }
  } else {
    start_chains<T, J, G, R>(s.bias + block * G * W, 0, G * W, sum);
    accumulate_block<Weight>(s.input_panels, s.input_depth, block, tile,
                             RowPointers<T, R>(s.x, s.x_row, s.x_index, row), sum);
    if constexpr (Cell::kSplitGate >= 0) {
      GATECELL_UNROLL
      for (int r = 0; r < R; ++r) {
        GATECELL_UNROLL
        for (int j = 0; j < J; ++j) ei::pstore(stored + (r * J + j) * W, sum[j][Cell::kSplitGate][r]);
      }
    }
  }
  if constexpr (Cell::kSplitGate >= 0) {
    GATECELL_UNROLL
    for (int j = 0; j < J; ++j) {
      const Packet<T> bias = load(s.recurrent_bias + (block + j) * W);
      GATECELL_UNROLL
      for (int r = 0; r < R; ++r) sum[j][Cell::kSplitGate][r] = bias;
    }
  }
  accumulate_block<Weight>(s.panels, s.depth, block, tile, RowPointers<T, R>(s.h, s.h_row, nullptr, row), sum);
  if constexpr (R == 1) {
    GATECELL_UNROLL
    for (int j = 0; j < J; ++j) {
      Packet<T> a[G];
      GATECELL_UNROLL
      for (int g = 0; g < G; ++g) a[g] = sum[j][g][0];
      finish<T, Cell>(s, a, split_input + j * split_block, block + j, row);
    }
  } else {
    // This goes through the stack, in a loop. Unrolled, the activations of all tiles would be most of the library.
    alignas(Packet<T>) T sums[R][J][G][W];
    GATECELL_UNROLL
    for (int r = 0; r < R; ++r) {
      GATECELL_UNROLL
      for (int j = 0; j < J; ++j) {
        GATECELL_UNROLL
        for (int g = 0; g < G; ++g) ei::pstore(sums[r][j][g], sum[j][g][r]);
      }
    }
    for (int r = 0; r < R; ++r) {
      for (int j = 0; j < J; ++j) {
        Packet<T> a[G];
        GATECELL_UNROLL
        for (int g = 0; g < G; ++g) a[g] = load(sums[r][j][g]);
        finish<T, Cell>(s, a, split_input + r * split_row + j * split_block, block + j, row + r);
      }
    }
  }
}

template <class T, class Weight, class Cell>
void step(const StepArgs<T>& s) {
  for_tiles<Cell::kGates>(s.first_block, s.last_block, s.rows, s.backwards,
                          [&](auto j, auto r, std::ptrdiff_t block, std::ptrdiff_t row, TileIndex tile) {
                            step_tile<T, Weight, Cell, j.value, r.value>(s, block, row, tile);
                          });
}

// The place of a cell in the table.
template <class T>
constexpr CellKernels<T>& slot(WeightKernels<T>& kernels, CellKernel cell) {
  return kernels.cells[static_cast<int>(cell)];
}

template <class T, class Weight, class Cell>
constexpr CellKernels<T> cell_kernels() {
  return {project<T, Weight, Cell::kGates>, nullptr, step<T, Weight, Cell>};
}

template <class T, class Weight>
constexpr void add_cells(WeightKernels<T>& kernels) {
  slot(kernels, CellKernel::lstm) = cell_kernels<T, Weight, Lstm<T>>();
  slot(kernels, CellKernel::gru) = cell_kernels<T, Weight, Gru<T>>();
  slot(kernels, CellKernel::rnn) = cell_kernels<T, Weight, Rnn<T>>();
}

}  // namespace
}  // namespace gatecell
