#include "pack/packed.h"

#include <algorithm>
#include <atomic>
#include <stdexcept>

#include "runtime/dispatch.h"
#include "runtime/fp_mode.h"

namespace gatecell {
namespace {

std::atomic<std::int64_t> packings{0};

template <class T>
const Kernels<T>& kernels_of(Isa isa) {
  if constexpr (sizeof(T) == sizeof(float)) {
    return kernel_table(isa).float32;
  } else {
    return kernel_table(isa).float64;
  }
}

template <class T>
CellKernels<T> cell_of(const Kernels<T>& kernels, Cell cell) {
  switch (cell) {
    case Cell::lstm:
      return kernels.lstm;
    case Cell::gru:
      return kernels.gru;
    case Cell::rnn_relu:
      return kernels.rnn_relu;
    case Cell::rnn_tanh:
      break;
  }
  return kernels.rnn_tanh;
}

template <class T>
const T* packed_matrix(const PanelShape& shape, const T* matrix, Carver& carver) {
  if (shape.size() == 0) return nullptr;
  T* panels = carver.take<T>(shape.size(), kPage);
  if (panels) pack_panels(shape, matrix, panels);
  return panels;
}

template <class T>
const T* copied(const T* from, std::ptrdiff_t count, Carver& carver) {
  if (!from) return nullptr;
  T* to = carver.take<T>(count);
  if (to) std::copy_n(from, count, to);
  return to;
}

// Over an empty carver this only measures.
template <class T>
PackedDirection<T> pack_direction(const Spec& spec, std::int64_t layer, int lanes, const DirectionWeights<T>& w,
                                  Carver& carver) {
  const int gates = spec.gates();
  const std::ptrdiff_t hidden = spec.hidden_size;
  PackedDirection<T> d{};
  d.input = PanelShape(hidden, spec.layer_input(layer), gates, lanes);
  d.recurrent = PanelShape(hidden, spec.state_size(), gates, lanes);
  d.projection = PanelShape(spec.proj_size, hidden, 1, lanes);
  d.input_panels = packed_matrix(d.input, w.weight_ih, carver);
  d.recurrent_panels = packed_matrix(d.recurrent, w.weight_hh, carver);
  d.projection_panels = packed_matrix(d.projection, w.weight_hr, carver);

  // GRU's third gate keeps b_hn apart: it lies inside the product with r.
  const bool gru = spec.cell == Cell::gru;
  T* bias = carver.take<T>(d.input.padded_units() * gates);
  if (bias) pack_bias(d.input, gru ? 2 : gates, w.bias_ih, w.bias_hh, bias);
  d.bias = bias;
  const PanelShape one_gate(hidden, 1, 1, lanes);
  T* recurrent_bias = gru ? carver.take<T>(one_gate.padded_units()) : nullptr;
  if (recurrent_bias) pack_bias<T>(one_gate, 0, w.bias_hh ? w.bias_hh + 2 * hidden : nullptr, nullptr, recurrent_bias);
  d.recurrent_bias = recurrent_bias;
  T* zeros = carver.take<T>(d.projection.padded_units());
  if (zeros) std::fill_n(zeros, d.projection.padded_units(), T(0));
  d.projection_bias = zeros;

  d.raw_bias_ih = copied(w.bias_ih, gates * hidden, carver);
  d.raw_bias_hh = copied(w.bias_hh, gates * hidden, carver);
  return d;
}

template <class T>
void check_weights(const Spec& spec, const std::vector<DirectionWeights<T>>& weights) {
  const auto expected = static_cast<std::size_t>(spec.num_layers * spec.directions());
  if (weights.size() != expected) {
    throw std::invalid_argument("expected weights of " + std::to_string(expected) + " layers and directions, got " +
                                std::to_string(weights.size()));
  }
  for (const DirectionWeights<T>& w : weights) {
    const bool complete = w.weight_ih && w.weight_hh && spec.bias == (w.bias_ih != nullptr) &&
                          spec.bias == (w.bias_hh != nullptr) && (spec.proj_size > 0) == (w.weight_hr != nullptr);
    if (!complete) {
      throw std::invalid_argument("weights do not match the specification: one is missing or superfluous");
    }
  }
}

}  // namespace

template <class T>
PackedNetwork<T>::PackedNetwork(const Spec& s, const std::vector<DirectionWeights<T>>& weights, Isa i)
    : spec(s), isa(i), kernels(kernels_of<T>(i)), cell(cell_of(kernels, s.cell)) {
  check_weights(spec, weights);
  const auto pack_all = [&](Carver carver) {
    directions.clear();
    for (std::size_t n = 0; n < weights.size(); ++n) {
      const std::int64_t layer = static_cast<std::int64_t>(n) / spec.directions();
      directions.push_back(pack_direction(spec, layer, kernels.lanes, weights[n], carver));
    }
    return carver.used();
  };
  const FpMode mode;  // sums of biases do not depend on the caller's rounding
  nbytes = pack_all(Carver());
  memory = allocate_block(nbytes);
  pack_all(Carver(memory.get(), nbytes));
  for (const PackedDirection<T>& d : directions) {
    input_weights += d.input.size();
    recurrent_weights += d.recurrent.size() + d.projection.size();
  }
  packings.fetch_add(1, std::memory_order_relaxed);
}

std::int64_t pack_count() { return packings.load(std::memory_order_relaxed); }

template struct PackedNetwork<float>;
template struct PackedNetwork<double>;

}  // namespace gatecell
