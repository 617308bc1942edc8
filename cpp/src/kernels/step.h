// step: one time step of a cell on top of projected gates. Equations: see the cells.
#pragma once

#include "cells.h"
#include "table.h"
#include "tile.h"

namespace gatecell {
namespace {

template <class T, class Cell, int J, int R>
void step_tile(const StepArgs<T>& s, std::ptrdiff_t block, std::ptrdiff_t row) {
  constexpr int W = kLanes<T>, G = Cell::kGates;
  const T* projected = s.projected + row * s.projected_row + block * G * W;
  Packet<T> sum[J][G][R];
  GATECELL_UNROLL
  for (int j = 0; j < J; ++j) {
    GATECELL_UNROLL
    for (int g = 0; g < G; ++g) {
      GATECELL_UNROLL
      for (int r = 0; r < R; ++r) {
        sum[j][g][r] = Cell::start(g, projected + r * s.projected_row + j * G * W, s.recurrent_bias, (block + j) * W);
      }
    }
  }
  const std::ptrdiff_t stride = s.depth * G * W;
  accumulate<T, J, G, R>(s.panels + block * stride, stride, s.depth, s.h + row * s.h_row, s.h_row, sum);
  GATECELL_UNROLL
  for (int r = 0; r < R; ++r) {
    GATECELL_UNROLL
    for (int j = 0; j < J; ++j) {
      const std::ptrdiff_t unit = (block + j) * W;
      Packet<T> a[G];
      GATECELL_UNROLL
      for (int g = 0; g < G; ++g) a[g] = sum[j][g][r];
      const Packet<T> h = Cell::finish(a, projected + r * s.projected_row + j * G * W, s.h + (row + r) * s.h_row,
                                       s.c + (row + r) * s.c_row, unit);
      T* h_next = s.h_next + (row + r) * s.h_next_row + unit;
      ei::pstore(h_next, h);
      if (!s.y) continue;
      T* y = s.y + (row + r) * s.y_row + unit;
      if (unit + W <= s.units) {
        ei::pstoreu(y, h);
      } else {
        store_first(y, h_next, s.units - unit);
      }
    }
  }
}

template <class T, class Cell>
void step(const StepArgs<T>& s) {
  for_tiles<Cell::kGates>(s.first_block, s.blocks, s.rows, s.backwards,
                          [&](auto j, auto r, std::ptrdiff_t block, std::ptrdiff_t row) {
                            step_tile<T, Cell, j.value, r.value>(s, block, row);
                          });
}

}  // namespace
}  // namespace gatecell
