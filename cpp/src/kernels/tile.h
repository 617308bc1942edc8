// The tile that all kernels use: V vectors x R rows of accumulators in registers, one chain of multiply-adds each.
//
// Tile shapes fill the registers. With several rows, each weight is loaded once for R rows, and the vectors are the
// gates of a block. With one row, the gates of J blocks give the FMA units (4 cycles latency each) enough independent
// chains.
//
// With 16 registers a tile of four gates has only 3 rows. It reads 128 bytes of a panel in 6 cycles, which the L2 cache
// hardly delivers. So there panels may have two strips of two gates each. A tile of 4 to 6 rows then makes two passes,
// one for each strip.
#pragma once

#include "arithmetic.h"
#include "constants.h"
#include "weight.h"

namespace gatecell {
namespace {

// The largest power of two that is at most n; 1 for n < 1.
constexpr int power_of_two(int n) { return n < 2 ? 1 : 2 * power_of_two(n / 2); }

// The gates of a strip, where a matrix has G gates; G: there are no strips.
template <int G>
constexpr int kStripGates = kRegisters == 16 && G == 4 ? 2 : G;

template <int G>
struct TileShape {
  static constexpr int kAccumulators = kRegisters * 3 / 4;  // the other registers hold weights and the broadcast x
  static constexpr int kBlocks = G == 1 ? 4 : 1;
  static constexpr int kRowsOnePass = kAccumulators / (G * kBlocks);
  static constexpr int kRows = kAccumulators / (kStripGates<G> * kBlocks);  // with one pass for each strip
  // The smallest tile of a split of 3 rows or more.
  static constexpr int kFewestRows = kRowsOnePass < 5 ? (kRowsOnePass + 1) / 2 : 3;
  static constexpr int kBlocksOneRow = G == 1 ? 8 : power_of_two(kChains / G);
  static constexpr int kBlocksTwoRows = power_of_two(kAccumulators / (2 * G) < 8 / G ? kAccumulators / (2 * G) : 8 / G);
};

// The passes of a tile of J blocks, G gates and R rows.
template <int J, int G, int R>
struct Passes {
  static constexpr int kCount = R > TileShape<G>::kRowsOnePass ? G / kStripGates<G> : 1;
  static constexpr int kGates = G / kCount;    // of one pass
  static constexpr int kVectors = J * kGates;  // V: the gates of the pass of one block, those of the next block, ...
};

// Loads the first number of each chain. `from` has the first gate of the pass, of the first block and row. row_stride
// is 0 if all rows begin with the bias.
template <int kGates, class T, int V, int R>
GATECELL_INLINE void start_chains(const T* from, std::ptrdiff_t row_stride, std::ptrdiff_t block_stride,
                                  Packet<T> (&sum)[V][R]) {
  GATECELL_UNROLL
  for (int r = 0; r < R; ++r) {
    GATECELL_UNROLL
    for (int v = 0; v < V; ++v) {
      sum[v][r] = load(from + r * row_stride + v / kGates * block_stride + v % kGates * kLanes<T>);
    }
  }
}

// Stores the accumulators to where start_chains would load them from.
template <int kGates, class T, int V, int R>
GATECELL_INLINE void store_sums(T* to, std::ptrdiff_t row_stride, std::ptrdiff_t block_stride,
                                const Packet<T> (&sum)[V][R]) {
  GATECELL_UNROLL
  for (int r = 0; r < R; ++r) {
    GATECELL_UNROLL
    for (int v = 0; v < V; ++v) {
      ei::pstore(to + r * row_stride + v / kGates * block_stride + v % kGates * kLanes<T>, sum[v][r]);
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
template <class T, int V>
constexpr std::ptrdiff_t kAheadStep = V * kLanes<T> / kFetchingTiles;

// sum[v][r] += W_v[k] * x_r[k] for all k, in sections (arithmetic.h). The first section continues the chains in `sum`.
// While a further section is accumulated, the total of those before it is in memory. The weights begin with the first
// gate of the pass, in a matrix of G gates. With several rows each k also prefetches what is at `ahead` into the L2
// cache, and the next k what is ahead_step weights further.
template <class Weight, int G, class T, int V, int R>
GATECELL_INLINE void accumulate(const Panels& matrix, const typename Weight::Storage* weights, std::ptrdiff_t depth,
                                const RowPointers<T, R>& x, const typename Weight::Storage* ahead,
                                std::ptrdiff_t ahead_step, Packet<T> (&sum)[V][R]) {
  constexpr int kGates = kStripGates<G>, kStrips = V < G ? 1 : G / kGates;  // of a strip; of a block in this pass
  constexpr bool pin = R > 1 && V * (R + 1) + 1 + kProducts <= kRegisters;
  const std::ptrdiff_t k_step = kGates == G ? G * kLanes<T> : matrix.k_step;
  alignas(Packet<T>) T memory[V * R * kLanes<T>];
  T* total = memory;
  asm("" : "+r"(total));  // otherwise GCC keeps the totals in variables, and spills registers for them
  const auto add_total = [&]() GATECELL_ALWAYS {
    repeat<V * R>([&](auto i) GATECELL_ALWAYS {
      Packet<T>& s = sum[i.value / R][i.value % R];
      s = ei::padd(load(total + i.value * kLanes<T>), s);
    });
  };
  std::ptrdiff_t section = kSection;  // where the next section begins
  for (std::ptrdiff_t k = 0; k < depth; ++k, weights += k_step) {
    if (__builtin_expect(k == section, 0)) {
      if (section > kSection) add_total();
      repeat<V * R>([&](auto i) GATECELL_ALWAYS {
        ei::pstore(total + i.value * kLanes<T>, sum[i.value / R][i.value % R]);
        sum[i.value / R][i.value % R] = broadcast(T(0));
      });
      section += kSection;
    }
    if constexpr (R > 2) __builtin_prefetch(ahead + k * ahead_step, 0, 2);
    Packet<T> w[V];
    repeat<V>([&](auto v) GATECELL_ALWAYS {
      constexpr int strip = v.value / kGates;
      const Packet<T> loaded = Weight::load(weights + strip / kStrips * matrix.panel_step +
                                            strip % kStrips * matrix.strip_step + v.value % kGates * kLanes<T>);
      w[v.value] = pin ? keep_in_register(loaded) : loaded;
    });
    repeat<R>([&](auto r) GATECELL_ALWAYS {
      const Packet<T> xk = broadcast(x.at[r.value][k]);
      repeat<V>([&](auto v)
                    GATECELL_ALWAYS { sum[v.value][r.value] = ei::pmadd(w[v.value], xk, sum[v.value][r.value]); });
    });
  }
  if (__builtin_expect(section > kSection, 0)) add_total();
}

// Adds the products of one pass of a tile with a matrix of G gates. The first tile of rows reads a panel from any cache
// or from memory; the next tiles find it in the L2 cache. If the matrix is far larger than the L2 cache, the first
// tiles together prefetch the next panel, so that no tile waits for it.
template <class Weight, int G, class T, int V, int R>
GATECELL_INLINE void accumulate_pass(const Panels& matrix, std::ptrdiff_t depth, std::ptrdiff_t block, int pass,
                                     TileIndex tile, const RowPointers<T, R>& x, Packet<T> (&sum)[V][R]) {
  using Storage = typename Weight::Storage;
  constexpr std::ptrdiff_t far_size = kFarMatrixBytes / static_cast<std::ptrdiff_t>(sizeof(Storage));
  const Storage* panel = static_cast<const Storage*>(matrix.weights) + block * matrix.panel_step;
  const Storage* weights = panel + pass * matrix.strip_step;
  // Without a next panel to fetch, the prefetches are of the first line of this one: a branch in the loop or a second
  // loop would cost more.
  const Storage* ahead = panel;
  std::ptrdiff_t ahead_step = 0;
  if constexpr (R > 2 && V >= G) {
    if (tile.tiles >= kFetchingTiles && tile.tile < kFetchingTiles && tile.blocks * matrix.panel_step > far_size) {
      ahead_step = kAheadStep<T, V>;
      ahead += V / G * matrix.panel_step + tile.tile * ahead_step * depth;
    }
  }
  accumulate<Weight, G>(matrix, weights, depth, x, ahead, ahead_step, sum);
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
GATECELL_INLINE void for_tiles(bool has_strips, std::ptrdiff_t first, std::ptrdiff_t last, std::ptrdiff_t rows,
                               bool backwards, const F& f) {
  using Shape = TileShape<G>;
  if (rows <= 2) {
    const auto for_rows = [&](auto r) {
      constexpr int J = r.value == 1 ? Shape::kBlocksOneRow : Shape::kBlocksTwoRows;
      for_blocks<J>(first, last, backwards && rows == 1,
                    [&](auto j, std::ptrdiff_t block) { f(j, r, block, 0, TileIndex{0, 1, last - first}); });
    };
    return rows == 1 ? for_rows(Constant<1>{}) : for_rows(Constant<2>{});
  }
  const std::ptrdiff_t tile_rows = has_strips ? Shape::kRows : Shape::kRowsOnePass;
  const std::ptrdiff_t tiles = (rows + tile_rows - 1) / tile_rows;
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
