// How kernels read weights. Only loading depends on the weight type: all arithmetic is in T.
#pragma once

#include "packet.h"
#include "table.h"

namespace gatecell {
namespace {

// The weights of a weight type for arithmetic in T. Storage is void where T has no kernels for this weight type.
template <class T, WeightType type>
struct StoredWeight {
  using Storage = void;
};

template <class T>
struct StoredWeight<T, WeightType::native> {
  using Storage = T;                      // one weight in a panel
  static constexpr int kLaneVectors = 0;  // as in PanelFormat

  // W weights that are adjacent in a panel, as numbers of type T.
  static GATECELL_INLINE Packet<T> load(const Storage* from) { return gatecell::load(from); }
};

}  // namespace
}  // namespace gatecell
