// How kernels read weights. For each weight type there is a struct with the members of NativeWeight. Only loading
// depends on the weight type: all arithmetic is in T.
#pragma once

#include "packet.h"

namespace gatecell {
namespace {

// WeightType::native
template <class T>
struct NativeWeight {
  using Storage = T;                      // one weight in a panel
  static constexpr int kLaneVectors = 0;  // as in PanelFormat

  // W weights that are adjacent in a panel, as numbers of type T.
  static GATECELL_INLINE Packet<T> load(const Storage* from) { return gatecell::load(from); }
};

}  // namespace
}  // namespace gatecell
