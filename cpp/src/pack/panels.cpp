#include "pack/panels.h"

#include <algorithm>
#include <cstring>

#include "constants.h"

namespace gatecell {
namespace {

// Calls f(matrix row, block, gate, lane) for every unit and every gate, without padding.
template <class F>
void for_matrix_rows(const PanelShape& s, const F& f) {
  for (std::ptrdiff_t unit = 0; unit < s.units; ++unit) {
    for (int gate = 0; gate < s.num_gates; ++gate) {
      f(gate * s.units + unit, unit / s.lanes, gate, unit % s.lanes);
    }
  }
}

template <class T>
void pack_native_row(const T* weights, std::ptrdiff_t depth, std::byte* to, std::ptrdiff_t step, float*,
                     std::ptrdiff_t) {
  for (std::ptrdiff_t k = 0; k < depth; ++k) std::memcpy(to + k * step, weights + k, sizeof(T));
}

}  // namespace

PanelShape::PanelShape(std::ptrdiff_t units_, std::ptrdiff_t depth_, int num_gates_, const PanelFormat& format)
    : units(units_),
      depth(depth_),
      num_gates(num_gates_),
      lanes(format.lanes),
      weight_bytes(format.weight_bytes),
      lane_vectors(format.lane_vectors),
      strip_gates(format.strip_gates[num_gates_]),
      blocks((units_ + lanes - 1) / lanes) {
  const std::ptrdiff_t width = num_gates * lanes, strip_width = strip_gates * lanes;  // weights of one k
  k_step = width;
  strip_step = strip_width;
  panel_step = depth * width;
  if (strip_gates == num_gates || blocks * panel_step * weight_bytes > kMostStripBytes) return;
  k_step = strip_width;
  strip_step = depth * strip_width;
  // Strips whole pages apart would use the same places of the L1 cache. H = 128, one row: 2 % slower.
  constexpr auto page = static_cast<std::ptrdiff_t>(kPage), line = static_cast<std::ptrdiff_t>(kCacheLine);
  if (strip_step * weight_bytes % page == 0) strip_step += line / weight_bytes;
  panel_step = num_gates / strip_gates * strip_step;
}

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
  const std::ptrdiff_t width = s.num_gates * s.lanes;
  for_matrix_rows(s, [&](std::ptrdiff_t row, std::ptrdiff_t block, int gate, std::ptrdiff_t lane) {
    float* vectors = lane_vectors ? lane_vectors + block * s.lane_vectors * width + gate * s.lanes + lane : nullptr;
    const std::ptrdiff_t first =
        block * s.panel_step + gate / s.strip_gates * s.strip_step + gate % s.strip_gates * s.lanes + lane;
    pack_row(matrix + row * s.depth, s.depth, panels + first * s.weight_bytes, s.k_step * s.weight_bytes, vectors,
             width);
  });
}

template <class T>
void pack_bias(const PanelShape& s, int summed, const T* bias_ih, const T* bias_hh, T* packed) {
  const std::ptrdiff_t width = s.num_gates * s.lanes;
  std::fill_n(packed, s.blocks * width, T(0));
  if (!bias_ih) return;
  for_matrix_rows(s, [&](std::ptrdiff_t row, std::ptrdiff_t block, int gate, std::ptrdiff_t lane) {
    packed[block * width + gate * s.lanes + lane] = row < summed * s.units ? bias_ih[row] + bias_hh[row] : bias_ih[row];
  });
}

template PackRow<float> pack_row<float>(WeightType);
template PackRow<double> pack_row<double>(WeightType);
template void pack_panels<float>(const PanelShape&, PackRow<float>, const float*, std::byte*, float*);
template void pack_panels<double>(const PanelShape&, PackRow<double>, const double*, std::byte*, float*);
template void pack_bias<float>(const PanelShape&, int, const float*, const float*, float*);
template void pack_bias<double>(const PanelShape&, int, const double*, const double*, double*);

}  // namespace gatecell
