#include "pack/panels.h"

namespace gatecell {
namespace {

// Calls f(matrix row, position of its first weight in the panels) for every unit and every gate, without padding. The
// next k is gates*lanes further.
template <class F>
void for_matrix_rows(const PanelShape& s, std::ptrdiff_t depth, const F& f) {
  for (std::ptrdiff_t unit = 0; unit < s.units; ++unit) {
    for (int gate = 0; gate < s.num_gates; ++gate) {
      f(gate * s.units + unit, ((unit / s.lanes) * depth * s.num_gates + gate) * s.lanes + unit % s.lanes);
    }
  }
}

}  // namespace

template <class T>
void pack_panels(const PanelShape& s, const T* matrix, T* panels) {
  for (std::ptrdiff_t i = 0; i < s.size(); ++i) panels[i] = T(0);
  for_matrix_rows(s, s.depth, [&](std::ptrdiff_t row, std::ptrdiff_t position) {
    for (std::ptrdiff_t k = 0; k < s.depth; ++k) {
      panels[position + k * s.num_gates * s.lanes] = matrix[row * s.depth + k];
    }
  });
}

template <class T>
void unpack_panels(const PanelShape& s, const T* panels, T* matrix) {
  for_matrix_rows(s, s.depth, [&](std::ptrdiff_t row, std::ptrdiff_t position) {
    for (std::ptrdiff_t k = 0; k < s.depth; ++k) {
      matrix[row * s.depth + k] = panels[position + k * s.num_gates * s.lanes];
    }
  });
}

template <class T>
void pack_bias(const PanelShape& s, int summed, const T* bias_ih, const T* bias_hh, T* packed) {
  for (std::ptrdiff_t i = 0; i < s.padded_units() * s.num_gates; ++i) packed[i] = T(0);
  if (!bias_ih) return;
  for_matrix_rows(s, 1, [&](std::ptrdiff_t row, std::ptrdiff_t position) {
    packed[position] = row < summed * s.units ? bias_ih[row] + bias_hh[row] : bias_ih[row];
  });
}

template void pack_panels<float>(const PanelShape&, const float*, float*);
template void pack_panels<double>(const PanelShape&, const double*, double*);
template void unpack_panels<float>(const PanelShape&, const float*, float*);
template void unpack_panels<double>(const PanelShape&, const double*, double*);
template void pack_bias<float>(const PanelShape&, int, const float*, const float*, float*);
template void pack_bias<double>(const PanelShape&, int, const double*, const double*, double*);

}  // namespace gatecell
