// The source of every ISA object. It is compiled once per instruction set, with the flags of that set and with
// GATECELL_ISA defined as its name.
#include "extended_cells.h"

namespace gatecell {
namespace {

template <class T>
using Activation = Vectors<T, 1> (*)(const Vectors<T, 1>&);

template <class T, Activation<T> F>
void map_array(const T* x, T* y, std::ptrdiff_t n) {
  for (std::ptrdiff_t i = 0; i < n; i += kLanes<T>) {
    ei::pstoreu(y + i, F(Vectors<T, 1>::make([&](int) { return ei::ploadu<Packet<T>>(x + i); })).at[0]);
  }
}

template <class T, class Weight>
constexpr WeightKernels<T> weight_kernels() {
  WeightKernels<T> kernels{};
  kernels.format = {kLanes<T>,
                    sizeof(typename Weight::Storage),
                    Weight::kLaneVectors,
                    {0, kStripGates<1>, kStripGates<2>, kStripGates<3>, kStripGates<4>}};
  add_cells<T, Weight>(kernels);
  add_extended_cells<T, Weight>(kernels);
  kernels.project_hidden = project<T, Weight, 1>;
  return kernels;
}

// Adds the kernels of this weight type and of those after it.
template <class T, int type = 0>
constexpr void add_weight_types(Kernels<T>& kernels) {
  if constexpr (type < static_cast<int>(WeightType::count)) {
    using Weight = StoredWeight<T, static_cast<WeightType>(type)>;
    if constexpr (!std::is_void_v<typename Weight::Storage>) kernels.weight_types[type] = weight_kernels<T, Weight>();
    add_weight_types<T, type + 1>(kernels);
  }
}

template <class T>
constexpr Kernels<T> kernels() {
  Kernels<T> kernels{};
  kernels.lanes = kLanes<T>;
  add_weight_types(kernels);
  kernels.sigmoid = map_array<T, sigmoid<T, 1>>;
  kernels.tanh = map_array<T, tanh<T, 1>>;
  return kernels;
}

#define GATECELL_STRING_(a) #a
#define GATECELL_STRING(a) GATECELL_STRING_(a)
#if EIGEN_MAJOR_VERSION >= 5  // since 5.0 MAJOR is the first number of the version
#define GATECELL_EIGEN GATECELL_STRING(EIGEN_MAJOR_VERSION.EIGEN_MINOR_VERSION.EIGEN_PATCH_VERSION)
#else
#define GATECELL_EIGEN GATECELL_STRING(EIGEN_WORLD_VERSION.EIGEN_MAJOR_VERSION.EIGEN_MINOR_VERSION)
#endif

constexpr KernelTable kernel_table() {
  KernelTable table{};
  table.float32 = kernels<float>();
  table.float64 = kernels<double>();
  table.isa = GATECELL_STRING(GATECELL_ISA);
  table.eigen = GATECELL_EIGEN;
  table.flags = GATECELL_FLAGS;
  return table;
}

constexpr KernelTable kTable = kernel_table();

}  // namespace
}  // namespace gatecell

#define GATECELL_JOIN(a, b) a##b
#define GATECELL_NAME(isa) GATECELL_JOIN(gatecell_kernels_, isa)

extern "C" __attribute__((visibility("hidden"))) const gatecell::KernelTable* GATECELL_NAME(GATECELL_ISA)() {
  return &gatecell::kTable;
}
