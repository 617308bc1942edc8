// project: out = start + W x for a number of rows. If a chunk is projected, it runs before the steps of the chunk.
// Extended cells and the projection of an LSTM also use it in each step. Arguments: ProjectArgs.
#pragma once

#include "table.h"
#include "tile.h"

namespace gatecell {
namespace {

template <class T, class Weight, int G, int J, int R>
void project_tile(const ProjectArgs<T>& p, std::ptrdiff_t block, std::ptrdiff_t row, TileIndex tile) {
  Packet<T> sum[J][G][R];
  start_chains<T, J, G, R>(p.start + block * p.block_step + row * p.start_row, p.start_row, p.block_step, sum);
  accumulate_block<Weight>(p.panels, p.depth, block, tile, RowPointers<T, R>(p.x, p.x_row, p.x_index, row), sum);
  GATECELL_UNROLL
  for (int r = 0; r < R; ++r) {
    T* out = p.out + (row + r) * p.out_row + block * p.block_step;
    GATECELL_UNROLL
    for (int j = 0; j < J; ++j) {
      GATECELL_UNROLL
      for (int g = 0; g < G; ++g) ei::pstore(out + j * p.block_step + g * kLanes<T>, sum[j][g][r]);
    }
  }
}

template <class T, class Weight, int G>
void project(const ProjectArgs<T>& p) {
  for_tiles<G>(p.first_block, p.last_block, p.rows, p.backwards,
               [&](auto j, auto r, std::ptrdiff_t block, std::ptrdiff_t row, TileIndex tile) {
                 project_tile<T, Weight, G, j.value, r.value>(p, block, row, tile);
               });
}

}  // namespace
}  // namespace gatecell
