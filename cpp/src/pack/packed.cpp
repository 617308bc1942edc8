#include "pack/packed.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <stdexcept>
#include <string>

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

bool has_candidate(const Spec& spec) { return spec.cell == Cell::gru && spec.textbook() && spec.reset != Reset::none; }

template <class T>
CellKernels<T> cell_of(const Kernels<T>& kernels, const Spec& spec) {
  const bool textbook = spec.textbook();
  switch (spec.cell) {
    case Cell::lstm:
      return spec.coupled_gates ? kernels.coupled_lstm : textbook ? kernels.textbook_lstm : kernels.lstm;
    case Cell::gru:
      return spec.reset == Reset::before ? kernels.reset_before_gru
             : spec.reset == Reset::none ? kernels.no_reset_gru
             : textbook                  ? kernels.clipped_gru
                                         : kernels.gru;
    case Cell::rnn_tanh:
    case Cell::rnn_relu:
      break;
  }
  return textbook ? kernels.clipped_rnn : kernels.rnn;
}

template <class T>
const T* packed_matrix(const PanelShape& shape, const T* matrix, Carver& carver, std::size_t alignment = kPage) {
  if (shape.size() == 0) return nullptr;
  T* panels = carver.take<T>(shape.size(), alignment);
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

template <class T>
T bound(double clip) {
  return clip > 0 ? static_cast<T>(clip) : std::numeric_limits<T>::infinity();
}

// Peepholes of the gates that see c, `spec.peephole_gates()` of i f o.
template <class T>
void pack_peepholes(const Spec& spec, int lanes, const T* weights, PackedDirection<T>& d, Carver& carver) {
  const std::ptrdiff_t hidden = spec.hidden_size;
  const bool full = spec.peepholes == Peepholes::full;
  d.peephole = full ? PanelShape(hidden, hidden, 1, lanes) : PanelShape();
  const PanelShape shape(hidden, full ? hidden : 1, 1, lanes);  // a diagonal is a matrix of one column
  for (int gate = 0, part = 0; gate < 3; ++gate) {
    if (gate == 1 && spec.coupled_gates) continue;
    (full ? d.extras.peephole_panels : d.extras.peepholes)[gate] = packed_matrix(
        shape, weights ? weights + part++ * hidden * shape.depth : nullptr, carver, full ? kPage : kCacheLine);
  }
}

// Over an empty carver this only measures.
template <class T>
PackedDirection<T> pack_direction(const Spec& spec, std::int64_t layer, int lanes, const DirectionWeights<T>& w,
                                  Carver& carver) {
  const int gates = spec.gates();
  const std::ptrdiff_t hidden = spec.hidden_size;
  PackedDirection<T> d{};
  d.input = PanelShape(hidden, spec.layer_input(layer), gates, lanes);
  const int recurrent_gates = has_candidate(spec) ? gates - 1 : gates;
  d.recurrent = PanelShape(hidden, spec.state_size(), recurrent_gates, lanes);
  d.candidate = PanelShape(recurrent_gates < gates ? hidden : 0, hidden, 1, lanes);
  d.projection = PanelShape(spec.proj_size, hidden, 1, lanes);
  d.input_panels = packed_matrix(d.input, w.weight_ih, carver);
  d.recurrent_panels = packed_matrix(d.recurrent, w.weight_hh, carver);
  d.projection_panels = packed_matrix(d.projection, w.weight_hr, carver);
  d.extras.gate_clip = bound<T>(spec.gate_clip);
  d.extras.cell_clip = bound<T>(spec.cell_clip);
  d.extras.candidate_panels =
      packed_matrix(d.candidate, w.weight_hh ? w.weight_hh + recurrent_gates * hidden * hidden : nullptr, carver);
  if (spec.peepholes != Peepholes::none) pack_peepholes(spec, lanes, w.weight_peephole, d, carver);

  // Where r multiplies after the product, that keeps b_hn apart.
  const bool gru = spec.cell == Cell::gru && spec.reset == Reset::after;
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
  const auto check = [](const char* name, bool exists, const T* given) {
    if (exists == (given != nullptr)) return;
    throw std::invalid_argument(std::string("expected ") + (exists ? "" : "no ") + name + ", got " +
                                (exists ? "none" : "one"));
  };
  for (const DirectionWeights<T>& w : weights) {
    check("weight_ih", true, w.weight_ih);
    check("weight_hh", true, w.weight_hh);
    check("bias_ih", spec.bias, w.bias_ih);
    check("bias_hh", spec.bias, w.bias_hh);
    check("weight_hr", spec.proj_size > 0, w.weight_hr);
    check("weight_peephole", spec.peepholes != Peepholes::none, w.weight_peephole);
  }
}

}  // namespace

template <class T>
PackedNetwork<T>::PackedNetwork(const Spec& s, const std::vector<DirectionWeights<T>>& weights, Isa i)
    : spec(s), isa(i), kernels(kernels_of<T>(i)), cell(cell_of(kernels, s)) {
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
    recurrent_weights += d.step_weights() + d.projection.size();
  }
  packings.fetch_add(1, std::memory_order_relaxed);
}

template <class T>
void unpack(const PackedDirection<T>& d, std::vector<std::vector<T>>& weights) {
  const auto append = [&](const PanelShape& shape, const T* panels) {
    if (!panels) return;
    const std::size_t size = weights.back().size();
    weights.back().resize(size + static_cast<std::size_t>(shape.units * shape.gates * shape.depth));
    unpack_panels(shape, panels, weights.back().data() + size);
  };
  const auto vector = [&](const T* values, std::ptrdiff_t count) {
    if (values) weights.emplace_back(values, values + count);
  };
  weights.emplace_back();
  append(d.input, d.input_panels);
  weights.emplace_back();
  append(d.recurrent, d.recurrent_panels);
  append(d.candidate, d.extras.candidate_panels);
  vector(d.raw_bias_ih, d.input.units * d.input.gates);
  vector(d.raw_bias_hh, d.input.units * d.input.gates);
  weights.emplace_back();
  const PanelShape diagonal(d.input.units, 1, 1, d.input.lanes);
  for (const T* values : d.extras.peepholes) append(diagonal, values);
  for (const T* panels : d.extras.peephole_panels) append(d.peephole, panels);
  if (weights.back().empty()) weights.pop_back();
  if (d.projection_panels) weights.emplace_back();
  append(d.projection, d.projection_panels);
}

template void unpack<float>(const PackedDirection<float>&, std::vector<std::vector<float>>&);
template void unpack<double>(const PackedDirection<double>&, std::vector<std::vector<double>>&);

std::int64_t pack_count() { return packings.load(std::memory_order_relaxed); }

template struct PackedNetwork<float>;
template struct PackedNetwork<double>;

}  // namespace gatecell
