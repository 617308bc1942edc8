// step: one time step of a cell, the input's part of it projected before or computed here. Equations: see the cells.
#pragma once

#include "cells.h"
#include "table.h"
#include "tile.h"

namespace gatecell {
namespace {

// Where a block of row `row` goes in y.
template <class T>
GATECELL_INLINE T* y_of(const StepArgs<T>& s, std::ptrdiff_t block, std::ptrdiff_t row) {
  return s.y + (s.y_index ? s.y_index[row] : row * s.y_row) + block * kLanes<T>;
}

// The new h of one block and row, into the state and y.
template <class T>
GATECELL_INLINE void put(const StepArgs<T>& s, const Packet<T>& h, std::ptrdiff_t block, std::ptrdiff_t row) {
  constexpr int W = kLanes<T>;
  const std::ptrdiff_t unit = block * W;
  T* h_next = s.h_next + row * s.h_next_row + unit;
  ei::pstore(h_next, h);
  if (!s.y) return;
  T* y = y_of(s, block, row);
  if (unit + W <= s.units) {
    ei::pstoreu(y, h);
  } else {
    store_first(y, h_next, s.units - unit);
  }
}

// Activations and new state of one block and row, whose pre-activations are a.
template <class T, class Cell>
GATECELL_INLINE void finish(const StepArgs<T>& s, const Packet<T> (&a)[Cell::kGates], const T* apart,
                            std::ptrdiff_t block, std::ptrdiff_t row) {
  put(s, Cell::finish(s, a, apart, row, block * kLanes<T>), block, row);
}

template <class T, class Cell, int J, int R>
void step_tile(const StepArgs<T>& s, std::ptrdiff_t block, std::ptrdiff_t row, Turn turn) {
  constexpr int W = kLanes<T>, G = Cell::kGates;
  if (R > 1 && s.y) {  // y comes from far away, row by row: meanwhile there is enough to do
    repeat<R>([&](auto r) GATECELL_ALWAYS { __builtin_prefetch(y_of(s, block, row + r.value), 1); });
  }
  Packet<T> sum[J][G][R];
  // Where the input part that stays apart lies: row r, block j at apart + r * apart_row + j * apart_block.
  alignas(Packet<T>) T parked[Cell::kApart < 0 ? 1 : J * R * W];
  const T* apart = parked;
  std::ptrdiff_t apart_row = J * W, apart_block = W;
  if (s.projected) {
    const T* projected = s.projected + row * s.projected_row + block * G * W;
    start<T, J, G, R>(projected, s.projected_row, G * W, sum);
    if constexpr (Cell::kApart >= 0) {
      apart = projected + Cell::kApart * W;
      apart_row = s.projected_row;
      apart_block = G * W;
    }
  } else {
    start<T, J, G, R>(s.bias + block * G * W, 0, G * W, sum);
    accumulate_block(s.input_panels, s.input_depth, block, turn, Rows<T, R>(s.x, s.x_row, s.x_index, row), sum);
    if constexpr (Cell::kApart >= 0) {
      GATECELL_UNROLL
      for (int r = 0; r < R; ++r) {
        GATECELL_UNROLL
        for (int j = 0; j < J; ++j) ei::pstore(parked + (r * J + j) * W, sum[j][Cell::kApart][r]);
      }
    }
  }
  if constexpr (Cell::kApart >= 0) {
    GATECELL_UNROLL
    for (int j = 0; j < J; ++j) {
      const Packet<T> bias = load(s.recurrent_bias + (block + j) * W);
      GATECELL_UNROLL
      for (int r = 0; r < R; ++r) sum[j][Cell::kApart][r] = bias;
    }
  }
  accumulate_block(s.panels, s.depth, block, turn, Rows<T, R>(s.h, s.h_row, nullptr, row), sum);
  if constexpr (R == 1) {
    GATECELL_UNROLL
    for (int j = 0; j < J; ++j) {
      Packet<T> a[G];
      GATECELL_UNROLL
      for (int g = 0; g < G; ++g) a[g] = sum[j][g][0];
      finish<T, Cell>(s, a, apart + j * apart_block, block + j, row);
    }
  } else {
    // By way of the stack in a loop: unrolled, the activations of all tiles would be most of the library.
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
        finish<T, Cell>(s, a, apart + r * apart_row + j * apart_block, block + j, row + r);
      }
    }
  }
}

template <class T, class Cell>
void step(const StepArgs<T>& s) {
  for_tiles<Cell::kGates>(s.first_block, s.last_block, s.rows, s.backwards,
                          [&](auto j, auto r, std::ptrdiff_t block, std::ptrdiff_t row, Turn turn) {
                            step_tile<T, Cell, j.value, r.value>(s, block, row, turn);
                          });
}

}  // namespace
}  // namespace gatecell
