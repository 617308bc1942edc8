// Where the vectors are that a cell finishes side by side.
#pragma once

#include "vectors.h"

namespace gatecell {
namespace {

// The largest number of rows of a block that a cell finishes side by side, and of blocks of one row. Zen 4, avx512, one
// row: pairs of blocks are as fast as single ones.
constexpr int kFinishRows = 3, kFinishBlocks = kRegisters == 16 ? 2 : 1;

// N vectors of hidden units: one block of N rows, or N blocks of one row.
template <class T, int N>
struct Places {
  std::ptrdiff_t first_block, first_row;
  bool one_row = false;

  GATECELL_INLINE std::ptrdiff_t block(int i) const { return one_row ? first_block + i : first_block; }
  GATECELL_INLINE std::ptrdiff_t row(int i) const { return one_row ? first_row : first_row + i; }

  // Loads from an array whose rows are `stride` numbers apart and whose blocks are `block_size` numbers apart.
  GATECELL_INLINE Vectors<T, N> load(const T* data, std::ptrdiff_t stride,
                                     std::ptrdiff_t block_size = kLanes<T>) const {
    return Vectors<T, N>::make(
        [&](int i) GATECELL_ALWAYS { return gatecell::load(data + row(i) * stride + block(i) * block_size); });
  }
  GATECELL_INLINE void store(T* data, std::ptrdiff_t stride, const Vectors<T, N>& v) const {
    repeat<N>([&](auto i) GATECELL_ALWAYS {
      ei::pstore(data + row(i.value) * stride + block(i.value) * kLanes<T>, v.at[i.value]);
    });
  }
};

}  // namespace
}  // namespace gatecell
