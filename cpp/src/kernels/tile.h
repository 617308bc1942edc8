// The tile that all kernels use: J blocks x G gates x R rows of accumulators in registers, one chain of multiply-adds
// each.
//
// Tile shapes fill the registers. With several rows, each weight is loaded once for R rows. With one row, J blocks give
// the FMA units (4 cycles latency each) enough independent chains.
#pragma once

#include "constants.h"
#include "weight.h"

namespace gatecell {
namespace {

template <int N>
struct Constant {
  static constexpr int value = N;
};

// Calls f(Constant<0>), ... f(Constant<N - 1>). The compiler never sees a loop, so that it keeps arrays in registers.
template <int N, class F>
GATECELL_INLINE void repeat(const F& f) {
  if constexpr (N > 0) {
    repeat<N - 1>(f);
    f(Constant<N - 1>{});
  }
}

// The largest power of two that is at most n; 1 for n < 1.
constexpr int power_of_two(int n) { return n < 2 ? 1 : 2 * power_of_two(n / 2); }

template <int G>
struct TileShape {
  static constexpr int kAccumulators = kRegisters * 3 / 4;  // the other registers hold weights and the broadcast x
  static constexpr int kBlocks = G == 1 ? 4 : 1;
  static constexpr int kRows = kAccumulators / (G * kBlocks);
  static constexpr int kFewestRows = kRows < 5 ? (kRows + 1) / 2 : 3;  // the smallest tile of a split of 3 rows or more
  static constexpr int kBlocksOneRow = G == 1 ? 8 : power_of_two(kChains / G);
  static constexpr int kBlocksTwoRows = power_of_two(kAccumulators / (2 * G) < 8 / G ? kAccumulators / (2 * G) : 8 / G);
};

// Loads the first number of each chain: sum[j][g][r] from row r of [J][G][W]. row_stride is 0 if all rows begin with
// the bias.
template <class T, int J, int G, int R>
GATECELL_INLINE void start_chains(const T* from, std::ptrdiff_t row_stride, std::ptrdiff_t block_stride,
                                  Packet<T> (&sum)[J][G][R]) {
  GATECELL_UNROLL
  for (int r = 0; r < R; ++r) {
    GATECELL_UNROLL
    for (int j = 0; j < J; ++j) {
      GATECELL_UNROLL
      for (int g = 0; g < G; ++g) sum[j][g][r] = load(from + r * row_stride + j * block_stride + g * kLanes<T>);
    }
  }
}

// The addresses of the R rows of a tile, from row `row` on.
template <class T, int R>
struct RowPointers {
  GATECELL_INLINE RowPointers(const T* data, std::ptrdiff_t stride, const std::ptrdiff_t* index, std::ptrdiff_t row) {
    GATECELL_UNROLL
    for (int r = 0; r < R; ++r) at[r] = data + (index ? index[row + r] : (row + r) * stride);
  }
  const T* at[R];
};

// Which tile of a block this is, the number of tiles of a block, and the number of blocks.
struct TileIndex {
  std::ptrdiff_t tile, tiles, blocks;
};

// The weights that each of the fetching tiles prefetches per k.
template <class T, int J, int G>
constexpr std::ptrdiff_t kAheadStep = J * G * kLanes<T> / kFetchingTiles;

// sum[j][g][r] += W_j[k][g] * x_r[k] for k = 0 ... depth-1. The panels of consecutive blocks are block_stride weights
// apart. If Ahead, each k also prefetches some of the memory at `ahead` into the L2 cache.
template <class Weight, bool Ahead, class T, int J, int G, int R>
GATECELL_INLINE void accumulate(const typename Weight::Storage* panels, std::ptrdiff_t block_stride,
                                std::ptrdiff_t depth, const RowPointers<T, R>& x, const typename Weight::Storage* ahead,
                                Packet<T> (&sum)[J][G][R]) {
  constexpr bool pin = R > 1 && J * G * (R + 1) + 1 + kProducts <= kRegisters;
  for (std::ptrdiff_t k = 0; k < depth; ++k, panels += G * kLanes<T>) {
    if constexpr (Ahead) __builtin_prefetch(ahead + k * kAheadStep<T, J, G>, 0, 2);
    Packet<T> w[J * G];
    repeat<J * G>([&](auto i) GATECELL_ALWAYS {
      const Packet<T> loaded = Weight::load(panels + i.value / G * block_stride + i.value % G * kLanes<T>);
      w[i.value] = pin ? keep_in_register(loaded) : loaded;
    });
    repeat<R>([&](auto r) GATECELL_ALWAYS {
      const Packet<T> xk = broadcast(x.at[r.value][k]);
      repeat<J * G>([&](auto i) GATECELL_ALWAYS {
        Packet<T>& s = sum[i.value / G][i.value % G][r.value];
        s = ei::pmadd(w[i.value], xk, s);
      });
    });
  }
}

// Adds the products of one block of a matrix, by accumulate(). The first tile of rows reads a panel from any cache or
// from memory; the next tiles find it in the L2 cache. If the matrix is far larger than the L2 cache, the first tiles
// together prefetch the next panel, so that no tile waits for it.
template <class Weight, class T, int J, int G, int R>
GATECELL_INLINE void accumulate_block(const Panels& matrix, std::ptrdiff_t depth, std::ptrdiff_t block, TileIndex tile,
                                      const RowPointers<T, R>& x, Packet<T> (&sum)[J][G][R]) {
  using Storage = typename Weight::Storage;
  constexpr std::ptrdiff_t far_size = kFarMatrixBytes / static_cast<std::ptrdiff_t>(sizeof(Storage));
  const std::ptrdiff_t stride = depth * G * kLanes<T>;
  const Storage* panels = static_cast<const Storage*>(matrix.weights) + block * stride;
  if constexpr (R > 2) {
    if (tile.tiles >= kFetchingTiles && tile.tile < kFetchingTiles && tile.blocks * stride > far_size) {
      const Storage* ahead = panels + J * stride + tile.tile * kAheadStep<T, J, G> * depth;
      return accumulate<Weight, true>(panels, stride, depth, x, ahead, sum);
    }
  }
  accumulate<Weight, false>(panels, stride, depth, x, panels, sum);
}

// Calls f(Constant<rows>) for a number of rows from Min to Max.
template <int Min, int Max, class F>
GATECELL_INLINE void with_constant(std::ptrdiff_t rows, const F& f) {
  if constexpr (Max > Min) {
    if (rows < Max) return with_constant<Min, Max - 1>(rows, f);
  }
  f(Constant<Max>{});
}

// Calls f(Constant<J>, block) for J blocks at a time, from the first block to the last or backwards. Calls it with half
// of J, a quarter of J, ... for the remaining blocks.
template <int J, class F>
GATECELL_INLINE void for_blocks(std::ptrdiff_t first, std::ptrdiff_t last, bool backwards, const F& f) {
  const std::ptrdiff_t groups = (last - first + J - 1) / J;
  for (std::ptrdiff_t i = 0; i < groups; ++i) {
    const std::ptrdiff_t block = first + (backwards ? groups - 1 - i : i) * J;
    if (block + J <= last) {
      f(Constant<J>{}, block);
    } else if constexpr (J > 1) {
      for_blocks<J / 2>(block, last, backwards, f);
    }
  }
}

// Calls f(Constant<J>, Constant<R>, block, row, tile) for all blocks and rows. The outer loop is over blocks, so that a
// panel stays in a cache for all rows. Rows are split into tiles of nearly equal size (7 = 4 + 3, not 6 + 1), because a
// small tile is slow. `backwards` only acts on one row: with more rows, reading weights does not limit the speed.
template <int G, class F>
GATECELL_INLINE void for_tiles(std::ptrdiff_t first, std::ptrdiff_t last, std::ptrdiff_t rows, bool backwards,
                               const F& f) {
  using Shape = TileShape<G>;
  if (rows <= 2) {
    const auto for_rows = [&](auto r) {
      constexpr int J = r.value == 1 ? Shape::kBlocksOneRow : Shape::kBlocksTwoRows;
      for_blocks<J>(first, last, backwards && rows == 1,
                    [&](auto j, std::ptrdiff_t block) { f(j, r, block, 0, TileIndex{0, 1, last - first}); });
    };
    return rows == 1 ? for_rows(Constant<1>{}) : for_rows(Constant<2>{});
  }
  const std::ptrdiff_t tiles = (rows + Shape::kRows - 1) / Shape::kRows;
  for_blocks<Shape::kBlocks>(first, last, false, [&](auto j, std::ptrdiff_t block) {
    for (std::ptrdiff_t tile = 0; tile < tiles; ++tile) {
      const std::ptrdiff_t row = rows * tile / tiles;
      with_constant<Shape::kFewestRows, Shape::kRows>(
          rows * (tile + 1) / tiles - row, [&](auto r) { f(j, r, block, row, TileIndex{tile, tiles, last - first}); });
    }
  });
}

}  // namespace
}  // namespace gatecell
