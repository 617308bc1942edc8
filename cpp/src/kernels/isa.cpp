// The source of every ISA object. It is compiled once per instruction set, with the flags of that set and with
// GATECELL_ISA defined as its name.
#include "extended_cells.h"
#include "project.h"
#include "step.h"

namespace gatecell {
namespace {

template <class T, Packet<T> (*F)(Packet<T>)>
void map_array(const T* x, T* y, std::ptrdiff_t n) {
  for (std::ptrdiff_t i = 0; i < n; i += kLanes<T>) ei::pstoreu(y + i, F(ei::ploadu<Packet<T>>(x + i)));
}

template <class T, class Cell>
constexpr CellKernels<T> cell_kernels() {
  return {project<T, Cell::kGates>, nullptr, step<T, Cell>};
}

template <class T>
constexpr Kernels<T> kernels() {
  return {kLanes<T>,
          cell_kernels<T, Lstm<T>>(),
          cell_kernels<T, Gru<T>>(),
          cell_kernels<T, Rnn<T>>(),
          {project<T, 4>, nullptr, extended_lstm<T, false>},
          {project<T, 3>, nullptr, extended_lstm<T, true>},
          {project<T, 3>, compute_reset_h<T>, reset_before_gru<T>},
          {project<T, 2>, nullptr, no_reset_gru<T>},
          {project<T, 3>, nullptr, clipped_gru<T>},
          {project<T, 1>, nullptr, clipped_rnn<T>},
          project<T, 1>,
          map_array<T, sigmoid<T>>,
          map_array<T, tanh<T>>};
}

#define GATECELL_STRING_(a) #a
#define GATECELL_STRING(a) GATECELL_STRING_(a)
#if EIGEN_MAJOR_VERSION >= 5  // since 5.0 MAJOR is the first number of the version
#define GATECELL_EIGEN GATECELL_STRING(EIGEN_MAJOR_VERSION.EIGEN_MINOR_VERSION.EIGEN_PATCH_VERSION)
#else
#define GATECELL_EIGEN GATECELL_STRING(EIGEN_WORLD_VERSION.EIGEN_MAJOR_VERSION.EIGEN_MINOR_VERSION)
#endif

constexpr KernelTable kTable = {kernels<float>(), kernels<double>(), GATECELL_STRING(GATECELL_ISA), GATECELL_EIGEN,
                                GATECELL_FLAGS};

}  // namespace
}  // namespace gatecell

#define GATECELL_JOIN(a, b) a##b
#define GATECELL_NAME(isa) GATECELL_JOIN(gatecell_kernels_, isa)

extern "C" __attribute__((visibility("hidden"))) const gatecell::KernelTable* GATECELL_NAME(GATECELL_ISA)() {
  return &gatecell::kTable;
}
