// project: out = start + W x for a number of rows. If a chunk is projected, it runs before the steps of the chunk.
// Extended cells and the projection of an LSTM also use it in each step. Arguments: ProjectArgs.
#pragma once

#include "table.h"
#include "tile.h"

namespace gatecell {
namespace {

template <class T, class Weight, int G, int J, int R>
void project_tile(const ProjectArgs<T>& p, std::ptrdiff_t block, std::ptrdiff_t row, TileIndex tile) {
  using Pass = Passes<J, G, R>;
  const RowPointers<T, R> x(p.x, p.x_row, p.x_index, row);
  GATECELL_ONE_BY_ONE
  for (int pass = 0; pass < Pass::kCount; ++pass) {
    const std::ptrdiff_t first = block * p.block_step + pass * Pass::kGates * kLanes<T>;
    Packet<T> sum[Pass::kVectors][R];
    start_chains<Pass::kGates>(p.start + row * p.start_row + first, p.start_row, p.block_step, sum);
    accumulate_pass<Weight, G>(p.panels, p.depth, block, pass, tile, x, sum);
    store_sums<Pass::kGates>(p.out + row * p.out_row + first, p.out_row, p.block_step, sum);
  }
}

template <class T, class Weight, int G>
void project(const ProjectArgs<T>& p) {
  for_tiles<G>(p.panels.has_strips, p.first_block, p.last_block, p.rows, p.backwards,
               [&](auto j, auto r, std::ptrdiff_t block, std::ptrdiff_t row, TileIndex tile) {
                 project_tile<T, Weight, G, j.value, r.value>(p, block, row, tile);
               });
}

}  // namespace
}  // namespace gatecell
