// A network's weights as the kernels of one ISA want them, in one block of memory. Immutable.
#pragma once

#include "gatecell/network.h"
#include "kernels/table.h"
#include "pack/panels.h"
#include "runtime/memory.h"

namespace gatecell {

// One direction of one layer.
template <class T>
struct PackedDirection {
  PanelShape input;       // W_ih
  PanelShape recurrent;   // W_hh, but for the candidate's part where that has a product of its own
  PanelShape candidate;   // GRU's W_hn; units 0 where it is part of `recurrent`
  PanelShape peephole;    // one gate's matrix; units 0 where there is none
  PanelShape projection;  // W_hr, one "gate"; units 0 where there is none
  const T* input_panels;
  const T* recurrent_panels;
  const T* projection_panels;
  const T* bias;             // [block][gate][W]
  const T* recurrent_bias;   // GRU's b_hn, [block][W]; else null
  const T* projection_bias;  // zeros: W_hr has none
  Extras<T> extras;
  const T* raw_bias_ih;  // as they came in, for weights(); null without bias
  const T* raw_bias_hh;

  // What h is: the projection where there is one.
  const PanelShape& state() const { return projection.units ? projection : recurrent; }
  // State rows are padded to whole blocks, so that kernels store full vectors, and to whole cache lines.
  std::ptrdiff_t hidden_stride() const { return stride(recurrent.padded_units()); }
  std::ptrdiff_t state_stride() const { return stride(state().padded_units()); }
  // Scalars in the panels by which every step multiplies h and c.
  std::ptrdiff_t step_weights() const {
    std::ptrdiff_t matrices = 0;
    for (const T* panels : extras.peephole_panels) matrices += panels ? 1 : 0;
    return recurrent.size() + candidate.size() + matrices * peephole.size();
  }

 private:
  static std::ptrdiff_t stride(std::ptrdiff_t units) {
    constexpr std::ptrdiff_t line = kCacheLine / sizeof(T);
    return (units + line - 1) / line * line;
  }
};

template <class T>
struct PackedNetwork {
  PackedNetwork(const Spec& spec, const std::vector<DirectionWeights<T>>& weights, Isa isa);

  const PackedDirection<T>& direction(std::int64_t layer, int d) const {
    return directions[static_cast<std::size_t>(layer * spec.directions() + d)];
  }

  Spec spec;
  Isa isa;
  const Kernels<T>& kernels;
  CellKernels<T> cell;
  std::vector<PackedDirection<T>> directions;  // layer by layer, forward first
  std::ptrdiff_t input_weights = 0;            // scalars in the input panels of all directions
  std::ptrdiff_t recurrent_weights = 0;        // and in all others
  std::size_t nbytes = 0;
  Block memory;
};

// Appends the weights as they came in, in torch's order: see Network::weights().
template <class T>
void unpack(const PackedDirection<T>& direction, std::vector<std::vector<T>>& weights);

}  // namespace gatecell
