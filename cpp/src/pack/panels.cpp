#include "pack/panels.h"

#include <algorithm>
#include <cstring>

namespace gatecell {
namespace {

// Calls f(matrix row, block, position of its number in [gate][W]) for every unit and every gate, without padding.
template <class F>
void for_matrix_rows(const PanelShape& s, const F& f) {
  for (std::ptrdiff_t unit = 0; unit < s.units; ++unit) {
    for (int gate = 0; gate < s.num_gates; ++gate) {
      f(gate * s.units + unit, unit / s.lanes, gate * s.lanes + unit % s.lanes);
    }
  }
}

template <class T>
void pack_native_row(const T* weights, std::ptrdiff_t depth, std::byte* to, std::ptrdiff_t step, float*,
                     std::ptrdiff_t) {
  for (std::ptrdiff_t k = 0; k < depth; ++k) std::memcpy(to + k * step, weights + k, sizeof(T));
}

}  // namespace

template <class T>
PackRow<T> pack_row(WeightType type) {
  switch (type) {
    case WeightType::native:
    case WeightType::count:
      break;
  }
  return pack_native_row<T>;
}

template <class T>
void pack_panels(const PanelShape& s, PackRow<T> pack_row, const T* matrix, std::byte* panels, float* lane_vectors) {
  std::fill_n(panels, s.bytes(), std::byte{0});
  std::fill_n(lane_vectors, s.lane_vectors_size(), 0.f);
  const std::ptrdiff_t width = s.num_gates * s.lanes;  // weights of one k in a block
  for_matrix_rows(s, [&](std::ptrdiff_t row, std::ptrdiff_t block, std::ptrdiff_t position) {
    float* vectors = lane_vectors ? lane_vectors + block * s.lane_vectors * width + position : nullptr;
    pack_row(matrix + row * s.depth, s.depth, panels + (block * s.depth * width + position) * s.weight_bytes,
             width * s.weight_bytes, vectors, width);
  });
}

template <class T>
void pack_bias(const PanelShape& s, int summed, const T* bias_ih, const T* bias_hh, T* packed) {
  const std::ptrdiff_t width = s.num_gates * s.lanes;
  std::fill_n(packed, s.blocks * width, T(0));
  if (!bias_ih) return;
  for_matrix_rows(s, [&](std::ptrdiff_t row, std::ptrdiff_t block, std::ptrdiff_t position) {
    packed[block * width + position] = row < summed * s.units ? bias_ih[row] + bias_hh[row] : bias_ih[row];
  });
}

template PackRow<float> pack_row<float>(WeightType);
template PackRow<double> pack_row<double>(WeightType);
template void pack_panels<float>(const PanelShape&, PackRow<float>, const float*, std::byte*, float*);
template void pack_panels<double>(const PanelShape&, PackRow<double>, const double*, std::byte*, float*);
template void pack_bias<float>(const PanelShape&, int, const float*, const float*, float*);
template void pack_bias<double>(const PanelShape&, int, const double*, const double*, double*);

}  // namespace gatecell
