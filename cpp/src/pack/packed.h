// The weights of a network, packed for the kernels of one ISA in one allocation. Immutable.
#pragma once

#include "gatecell/network.h"
#include "kernels/table.h"
#include "pack/panels.h"
#include "runtime/machine.h"
#include "runtime/memory.h"

namespace gatecell {

// One direction of one layer.
template <class T>
struct PackedDirection {
  PanelShape input;       // W_ih
  PanelShape recurrent;   // W_hh, without W_hn where that is packed as `candidate`
  PanelShape candidate;   // GRU's W_hn; units 0 where it is part of `recurrent`
  PanelShape peephole;    // the matrix of one gate; units 0 if weight_peephole is no matrix
  PanelShape projection;  // W_hr, as one gate; units 0 without a projection
  Panels input_panels;
  Panels recurrent_panels;
  Panels projection_panels;
  const T* bias;             // [block][gate][W]
  const T* recurrent_bias;   // GRU's b_hn, [block][W]; else null
  const T* projection_bias;  // zeros: a projection has no bias
  ExtendedArgs<T> extended;

  // The matrix whose units are h: the projection if there is one.
  const PanelShape& state() const { return projection.units ? projection : recurrent; }
  // The distances between rows of c and of h. They are padded to whole blocks, so that kernels store full vectors, and
  // to whole cache lines.
  std::ptrdiff_t hidden_stride() const { return stride(recurrent.padded_units()); }
  std::ptrdiff_t state_stride() const { return stride(state().padded_units()); }
  // The number of weights in the panels that multiply h and c. Every step reads all of them.
  std::ptrdiff_t step_weights() const {
    std::ptrdiff_t matrices = 0;
    for (const Panels& panels : extended.peephole_panels) matrices += panels.weights ? 1 : 0;
    return recurrent.weights() + candidate.weights() + matrices * peephole.weights();
  }

 private:
  static std::ptrdiff_t stride(std::ptrdiff_t units) {
    constexpr std::ptrdiff_t line = kCacheLine / sizeof(T);
    return (units + line - 1) / line * line;
  }
};

template <class T>
struct PackedNetwork {
  PackedNetwork(const Spec& spec, const std::vector<DirectionWeights<T>>& weights, Isa isa,
                WeightType weight_type = WeightType::native);

  const PackedDirection<T>& direction(std::int64_t layer, int d) const {
    return directions[static_cast<std::size_t>(layer * spec.num_directions() + d)];
  }

  int weight_bytes() const { return kernels.format.weight_bytes; }  // of a weight in a panel

  Spec spec;
  bool is_extended;
  int barriers_per_step;
  Isa isa;
  const Rates& rates;  // of the instruction set on this machine
  Caches caches;
  const WeightKernels<T>& kernels;
  CellKernels<T> cell;
  std::vector<PackedDirection<T>> directions;  // layer by layer, forward direction first
  std::ptrdiff_t input_weights = 0;            // weights in all input panels
  std::ptrdiff_t recurrent_weights = 0;        // weights in all other panels
  std::size_t nbytes = 0;
  Allocation memory;
};

}  // namespace gatecell
