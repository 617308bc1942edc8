// The register tile all kernels share: J blocks x G gates x R rows of accumulators, one chain of multiply-adds each.
//
// Shapes fill the registers: with G * R accumulators for several rows every weight is loaded once for R rows; with one
// row J blocks side by side give the FMA units (4 cycles latency each) enough independent chains.
#pragma once

#include "packet.h"

namespace gatecell {
namespace {

template <int N>
struct Int {
  static constexpr int value = N;
};

// f(Int<0>), ... f(Int<N - 1>): a loop that is none, also for a compiler that looks at it early.
template <int N, class F>
GATECELL_INLINE void repeat(const F& f) {
  if constexpr (N > 0) {
    repeat<N - 1>(f);
    f(Int<N - 1>{});
  }
}

// The largest power of two of at least 1 and at most n.
constexpr int power_of_two(int n) { return n < 2 ? 1 : 2 * power_of_two(n / 2); }

template <int G>
struct TileShape {
  static constexpr int kAccumulators = kRegisters * 3 / 4;  // the rest holds weights and the broadcast x
  static constexpr int kBlocks = G == 1 ? 4 : 1;
  static constexpr int kRows = kAccumulators / (G * kBlocks);
  static constexpr int kFewestRows = kRows < 5 ? (kRows + 1) / 2 : 3;  // of even tiles of 3 rows or more
  static constexpr int kBlocksOneRow = G == 1 ? 8 : power_of_two(kChains / G);
  static constexpr int kBlocksTwoRows = power_of_two(kAccumulators / (2 * G) < 8 / G ? kAccumulators / (2 * G) : 8 / G);
};

// Each chain's first number: sum[j][g][r] from row r of [J][G][W]; row_stride 0 where all rows begin with the bias.
template <class T, int J, int G, int R>
GATECELL_INLINE void start(const T* from, std::ptrdiff_t row_stride, std::ptrdiff_t block_stride,
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

// Where the R rows of a tile begin, from `row` on.
template <class T, int R>
struct Rows {
  GATECELL_INLINE Rows(const T* data, std::ptrdiff_t stride, const std::ptrdiff_t* index, std::ptrdiff_t row) {
    GATECELL_UNROLL
    for (int r = 0; r < R; ++r) at[r] = data + (index ? index[row + r] : (row + r) * stride);
  }
  const T* at[R];
};

// Which of a block's tiles this is, and the number of blocks.
struct Turn {
  std::ptrdiff_t tile, tiles, blocks;
};

// Tiles that fetch the next panel, and what each fetches of it for one k.
constexpr std::ptrdiff_t kFetchingTiles = 4;
template <class T, int J, int G>
constexpr std::ptrdiff_t kAheadStep = J * G * kLanes<T> / kFetchingTiles;

// sum[j][g][r] += W_j[k][g] * x_r[k] for k = 0 ... depth-1. panels of consecutive blocks are block_stride apart. With
// Ahead, fetches a part of what lies ahead into the L2 cache at each k.
template <bool Ahead, class T, int J, int G, int R>
GATECELL_INLINE void accumulate(const T* panels, std::ptrdiff_t block_stride, std::ptrdiff_t depth, const Rows<T, R>& x,
                                const T* ahead, Packet<T> (&sum)[J][G][R]) {
  constexpr bool pin = R > 1 && J * G * (R + 1) + 1 <= kRegisters;
  for (std::ptrdiff_t k = 0; k < depth; ++k, panels += G * kLanes<T>) {
    if constexpr (Ahead) __builtin_prefetch(ahead + k * kAheadStep<T, J, G>, 0, 2);
    Packet<T> w[J * G];
    repeat<J * G>([&](auto i) GATECELL_ALWAYS {
      const Packet<T> loaded = load(panels + i.value / G * block_stride + i.value % G * kLanes<T>);
      w[i.value] = pin ? keep(loaded) : loaded;
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

// The same for a block of a matrix. The first tile of rows reads a panel from wherever it lies, the others find it in
// the L2 cache. Where the matrix is far larger than that, the first tiles fetch the next panel in advance, a part each,
// so that nobody need wait for it: 8 % at H = 1024 with 32 rows. With few tiles, or a small matrix, it costs as much.
template <class T, int J, int G, int R>
GATECELL_INLINE void accumulate_block(const T* matrix, std::ptrdiff_t depth, std::ptrdiff_t block, Turn turn,
                                      const Rows<T, R>& x, Packet<T> (&sum)[J][G][R]) {
  constexpr std::ptrdiff_t far_size = (std::ptrdiff_t{8} << 20) / sizeof(T);
  const std::ptrdiff_t stride = depth * G * kLanes<T>;
  const T* panels = matrix + block * stride;
  if constexpr (R > 2) {
    if (turn.tiles >= kFetchingTiles && turn.tile < kFetchingTiles && turn.blocks * stride > far_size) {
      const T* ahead = panels + J * stride + turn.tile * kAheadStep<T, J, G> * depth;
      return accumulate<true>(panels, stride, depth, x, ahead, sum);
    }
  }
  accumulate<false>(panels, stride, depth, x, panels, sum);
}

// f(Int<rows>) with rows, from Min to Max, as a constant.
template <int Min, int Max, class F>
GATECELL_INLINE void with_constant(std::ptrdiff_t rows, const F& f) {
  if constexpr (Max > Min) {
    if (rows < Max) return with_constant<Min, Max - 1>(rows, f);
  }
  f(Int<Max>{});
}

// f(Int<J>, block) from the first block to the last, or the other way; J blocks at a time, the rest in halves of J.
template <int J, class F>
GATECELL_INLINE void for_blocks(std::ptrdiff_t first, std::ptrdiff_t last, bool backwards, const F& f) {
  const std::ptrdiff_t groups = (last - first + J - 1) / J;
  for (std::ptrdiff_t i = 0; i < groups; ++i) {
    const std::ptrdiff_t block = first + (backwards ? groups - 1 - i : i) * J;
    if (block + J <= last) {
      f(Int<J>{}, block);
    } else if constexpr (J > 1) {
      for_blocks<J / 2>(block, last, backwards, f);
    }
  }
}

// f(Int<J>, Int<R>, block, row, turn) over all blocks and rows: blocks outside, so that a panel stays in cache while
// the rows pass; rows in even tiles (7 = 4 + 3, not 6 + 1), because a narrow tile is slow. `backwards` is for one row
// only: more rows are not bound by reading weights.
template <int G, class F>
GATECELL_INLINE void for_tiles(std::ptrdiff_t first, std::ptrdiff_t last, std::ptrdiff_t rows, bool backwards,
                               const F& f) {
  using Shape = TileShape<G>;
  if (rows <= 2) {
    const auto of_rows = [&](auto r) {
      constexpr int J = r.value == 1 ? Shape::kBlocksOneRow : Shape::kBlocksTwoRows;
      for_blocks<J>(first, last, backwards && rows == 1,
                    [&](auto j, std::ptrdiff_t block) { f(j, r, block, 0, Turn{0, 1, last - first}); });
    };
    return rows == 1 ? of_rows(Int<1>{}) : of_rows(Int<2>{});
  }
  const std::ptrdiff_t tiles = (rows + Shape::kRows - 1) / Shape::kRows;
  for_blocks<Shape::kBlocks>(first, last, false, [&](auto j, std::ptrdiff_t block) {
    for (std::ptrdiff_t tile = 0; tile < tiles; ++tile) {
      const std::ptrdiff_t row = rows * tile / tiles;
      with_constant<Shape::kFewestRows, Shape::kRows>(
          rows * (tile + 1) / tiles - row, [&](auto r) { f(j, r, block, row, Turn{tile, tiles, last - first}); });
    }
  });
}

}  // namespace
}  // namespace gatecell
