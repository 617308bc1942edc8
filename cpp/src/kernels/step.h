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

// Stores h in the state and in y.
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

template <class T, int N>
GATECELL_INLINE void store_h(const StepArgs<T>& s, const Places<T, N>& at, const Vectors<T, N>& h) {
  repeat<N>([&](auto i) GATECELL_ALWAYS { store_h(s, h.at[i.value], at.block(i.value), at.row(i.value)); });
}

// Computes the new state of N rows of one block. The pre-activations are in memory, [row][gate][W], with sums_row
// numbers from row to row. This is a function of its own, because inlined the activations of all tiles would be most of
// the library.
template <class T, class Cell, int N>
__attribute__((noinline)) void finish_rows(const StepArgs<T>& s, std::ptrdiff_t block, std::ptrdiff_t row,
                                           const T* sums, std::ptrdiff_t sums_row, const T* split_input,
                                           std::ptrdiff_t split_row) {
  const Places<T, N> at{block, row}, from_first{0, 0};
  store_h(s, at,
          Cell::finish(
              s, at, [&](int gate) GATECELL_ALWAYS { return from_first.load(sums + gate * kLanes<T>, sums_row); },
              [&]() GATECELL_ALWAYS { return from_first.load(split_input, split_row); }));
}

template <class T, class Weight, class Cell, int J, int R>
GATECELL_INLINE void step_tile(const StepArgs<T>& s, std::ptrdiff_t block, std::ptrdiff_t row, TileIndex tile) {
  constexpr int W = kLanes<T>, G = Cell::kGates, kSplit = Cell::kSplitGate;
  using Pass = Passes<J, G, R>;
  static_assert(kSplit < 0 || Pass::kCount == 1, "the split gate is in the only pass");
  if (R > 1 && s.y) {  // y is often in no cache: its lines arrive while the products are computed
    repeat<R>([&](auto r) GATECELL_ALWAYS { __builtin_prefetch(y_address(s, block, row + r.value), 1); });
  }
  const RowPointers<T, R> h(s.h, s.h_row, nullptr, row);
  // The input products of the split gate: row r, block j at split_input + r * split_row + j * split_block.
  alignas(Packet<T>) T stored[kSplit < 0 ? 1 : J * R * W];
  const T* split_input = stored;
  std::ptrdiff_t split_row = J * W, split_block = W;
  alignas(Packet<T>) T sums[R == 1 ? 1 : R * J * G * W];  // [row][block][gate][W]
  GATECELL_ONE_BY_ONE
  for (int pass = 0; pass < Pass::kCount; ++pass) {
    const std::ptrdiff_t first = pass * Pass::kGates * W;
    Packet<T> sum[Pass::kVectors][R];
    if (s.projected) {
      const T* projected = s.projected + row * s.projected_row + block * G * W;
      start_chains<Pass::kGates>(projected + first, s.projected_row, G * W, sum);
      if constexpr (kSplit >= 0) {
        split_input = projected + kSplit * W;
        split_row = s.projected_row;
        split_block = G * W;
      }
    } else {
      start_chains<Pass::kGates>(s.bias + block * G * W + first, 0, G * W, sum);
      accumulate_pass<Weight, G>(*s.input_panels, s.input_depth, block, pass, tile,
                                 RowPointers<T, R>(s.x, s.x_row, s.x_index, row), sum);
      if constexpr (kSplit >= 0) {
        GATECELL_UNROLL
        for (int r = 0; r < R; ++r) {
          GATECELL_UNROLL
          for (int j = 0; j < J; ++j) ei::pstore(stored + (r * J + j) * W, sum[j * G + kSplit][r]);
        }
      }
    }
    if constexpr (kSplit >= 0) {
      GATECELL_UNROLL
      for (int j = 0; j < J; ++j) {
        const Packet<T> bias = load(s.recurrent_bias + (block + j) * W);
        GATECELL_UNROLL
        for (int r = 0; r < R; ++r) sum[j * G + kSplit][r] = bias;
      }
    }
    accumulate_pass<Weight, G>(*s.panels, s.depth, block, pass, tile, h, sum);
    if constexpr (R == 1) {
      constexpr int N = J < kFinishBlocks ? J : kFinishBlocks;
      repeat<J / N>([&](auto i) GATECELL_ALWAYS {
        constexpr int j0 = i.value * N;
        const Places<T, N> at{block + j0, row, true}, in_tile{j0, 0, true};
        store_h(s, at,
                Cell::finish(
                    s, at,
                    [&](int gate) GATECELL_ALWAYS {
                      return Vectors<T, N>::make([&](int j) GATECELL_ALWAYS { return sum[(j0 + j) * G + gate][0]; });
                    },
                    [&]() GATECELL_ALWAYS { return in_tile.load(split_input, 0, split_block); }));
      });
    } else {
      store_sums<Pass::kGates>(sums + first, J * G * W, G * W, sum);
    }
  }
  if constexpr (R > 1) {
    GATECELL_ONE_BY_ONE
    for (int j = 0; j < J; ++j) {
      constexpr int groups = (R + kFinishRows - 1) / kFinishRows;
      repeat<groups>([&](auto i) GATECELL_ALWAYS {
        constexpr int r = R * i.value / groups, end = R * (i.value + 1) / groups;
        finish_rows<T, Cell, end - r>(s, block + j, row + r, sums + (r * J + j) * G * W, J * G * W,
                                      split_input + r * split_row + j * split_block, split_row);
      });
    }
  }
}

// A function of its own: all tiles of several rows in one function would be a large one.
template <class T, class Weight, class Cell, int J, int R>
__attribute__((noinline)) void step_tile_of_rows(const StepArgs<T>& s, std::ptrdiff_t block, std::ptrdiff_t row,
                                                 TileIndex tile) {
  step_tile<T, Weight, Cell, J, R>(s, block, row, tile);
}

template <class T, class Weight, class Cell>
void step(const StepArgs<T>& s) {
  const bool has_strips = s.panels->has_strips && (s.projected || s.input_panels->has_strips);
  for_tiles<Cell::kGates>(has_strips, s.first_block, s.last_block, s.rows, s.backwards,
                          [&](auto j, auto r, std::ptrdiff_t block, std::ptrdiff_t row, TileIndex tile) {
                            if constexpr (r.value == 1) {
                              step_tile<T, Weight, Cell, j.value, 1>(s, block, row, tile);
                            } else {
                              step_tile_of_rows<T, Weight, Cell, j.value, r.value>(s, block, row, tile);
                            }
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
