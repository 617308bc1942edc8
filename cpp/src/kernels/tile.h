// The register tile all kernels share: J blocks x G gates x R rows of accumulators, one chain of multiply-adds each.
//
// Shapes fill the registers: with G * R accumulators for several rows every weight is loaded once for R rows; with one
// row J blocks side by side give the two FMA units (4 cycles latency each) enough independent chains.
#pragma once

#include "packet.h"

namespace gatecell {
namespace {

template <int N>
struct Int {
  static constexpr int value = N;
};

template <int G>
struct TileShape {
  static constexpr int kAccumulators = kRegisters * 3 / 4;  // the rest holds weights and the broadcast x
  static constexpr int kBlocks = G == 1 ? 4 : 1;
  static constexpr int kRows = kAccumulators / (G * kBlocks);
  static constexpr int kBlocksOneRow = 8 / G;
};

// sum[j][g][r] += W_j[k][g] * x_r[k] for k = 0 ... depth-1. panels of consecutive blocks are block_stride apart.
template <class T, int J, int G, int R>
GATECELL_INLINE void accumulate(const T* panels, std::ptrdiff_t block_stride, std::ptrdiff_t depth, const T* x,
                                std::ptrdiff_t x_row, Packet<T> (&sum)[J][G][R]) {
  constexpr bool pin = R > 1 && J * G * (R + 1) + 1 <= kRegisters;
  for (std::ptrdiff_t k = 0; k < depth; ++k, panels += G * kLanes<T>) {
    Packet<T> w[J][G];
    GATECELL_UNROLL
    for (int j = 0; j < J; ++j) {
      GATECELL_UNROLL
      for (int g = 0; g < G; ++g) {
        w[j][g] = load(panels + j * block_stride + g * kLanes<T>);
        if (pin) keep(w[j][g]);
      }
    }
    GATECELL_UNROLL
    for (int r = 0; r < R; ++r) {
      const Packet<T> xk = broadcast(x[r * x_row + k]);
      GATECELL_UNROLL
      for (int j = 0; j < J; ++j) {
        GATECELL_UNROLL
        for (int g = 0; g < G; ++g) sum[j][g][r] = ei::pmadd(w[j][g], xk, sum[j][g][r]);
      }
    }
  }
}

// f(Int<rows>) with rows, at most Max, as a constant.
template <int Max, class F>
GATECELL_INLINE void with_constant(std::ptrdiff_t rows, const F& f) {
  if constexpr (Max > 1) {
    if (rows < Max) return with_constant<Max - 1>(rows, f);
  }
  f(Int<Max>{});
}

// f(Int<J>, first block) over all blocks, J at a time, the rest in halves of J.
template <int J, class F>
GATECELL_INLINE void for_blocks(std::ptrdiff_t first, std::ptrdiff_t blocks, const F& f) {
  for (; first + J <= blocks; first += J) f(Int<J>{}, first);
  if constexpr (J > 1) for_blocks<J / 2>(first, blocks, f);
}

// The same, from the last block to the first if backwards.
template <int J, class F>
GATECELL_INLINE void for_blocks_either_way(std::ptrdiff_t first, std::ptrdiff_t blocks, bool backwards, const F& f) {
  const std::ptrdiff_t groups = (blocks - first + J - 1) / J;
  for (std::ptrdiff_t i = 0; i < groups; ++i) {
    const std::ptrdiff_t block = first + (backwards ? groups - 1 - i : i) * J;
    if (block + J <= blocks) {
      f(Int<J>{}, block);
    } else if constexpr (J > 1) {
      for_blocks<J / 2>(block, blocks, f);
    }
  }
}

// f(Int<J>, Int<R>, block, row) over all blocks and rows: blocks outside, so that a panel stays in cache while the rows
// pass; rows in even tiles (7 = 4 + 3, not 6 + 1), because a narrow tile is slow. `backwards` is for one row only: more
// rows are not bound by reading weights.
template <int G, class F>
GATECELL_INLINE void for_tiles(std::ptrdiff_t first, std::ptrdiff_t blocks, std::ptrdiff_t rows, bool backwards,
                               const F& f) {
  using Shape = TileShape<G>;
  if (rows == 1) {
    for_blocks_either_way<Shape::kBlocksOneRow>(first, blocks, backwards,
                                                [&](auto j, std::ptrdiff_t block) { f(j, Int<1>{}, block, 0); });
    return;
  }
  const std::ptrdiff_t tiles = (rows + Shape::kRows - 1) / Shape::kRows;
  for_blocks<Shape::kBlocks>(first, blocks, [&](auto j, std::ptrdiff_t block) {
    for (std::ptrdiff_t tile = 0; tile < tiles; ++tile) {
      const std::ptrdiff_t row = rows * tile / tiles;
      with_constant<Shape::kRows>(rows * (tile + 1) / tiles - row, [&](auto r) { f(j, r, block, row); });
    }
  });
}

}  // namespace
}  // namespace gatecell
