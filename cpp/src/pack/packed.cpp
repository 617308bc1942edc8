#include "pack/packed.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <stdexcept>
#include <string>

#include "runtime/dispatch.h"
#include "runtime/fp_mode.h"
#include "runtime/test_hooks.h"

namespace gatecell {
namespace {

std::atomic<std::int64_t> packed_networks{0};

template <class T>
const Kernels<T>& select_kernels(Isa isa) {
  if constexpr (sizeof(T) == sizeof(float)) {
    return kernel_table(isa).float32;
  } else {
    return kernel_table(isa).float64;
  }
}

// Whether W_hn has panels of its own.
bool has_candidate(const Spec& spec) { return spec.cell == Cell::gru && extended(spec) && spec.reset != Reset::none; }

template <class T>
CellKernels<T> select_cell(const Kernels<T>& kernels, const Spec& spec) {
  const bool is_extended = extended(spec);
  switch (spec.cell) {
    case Cell::lstm:
      return spec.coupled_gates ? kernels.coupled_lstm : is_extended ? kernels.extended_lstm : kernels.lstm;
    case Cell::gru:
      return spec.reset == Reset::before ? kernels.reset_before_gru
             : spec.reset == Reset::none ? kernels.no_reset_gru
             : is_extended               ? kernels.clipped_gru
                                         : kernels.gru;
    case Cell::rnn_tanh:
    case Cell::rnn_relu:
      break;
  }
  return is_extended ? kernels.clipped_rnn : kernels.rnn;
}

template <class T>
const T* pack_matrix(const PanelShape& shape, const T* matrix, BumpAllocator& allocator,
                     std::size_t alignment = kPage) {
  if (shape.size() == 0) return nullptr;
  T* panels = allocator.allocate<T>(shape.size(), alignment);
  if (panels) pack_panels(shape, matrix, panels);
  return panels;
}

template <class T>
const T* copy_array(const T* from, std::ptrdiff_t count, BumpAllocator& allocator) {
  if (count == 0) return nullptr;
  T* to = allocator.allocate<T>(count);
  if (to) std::copy_n(from, count, to);
  return to;
}

template <class T>
T clip_or_infinity(double clip) {
  return clip > 0 ? static_cast<T>(clip) : std::numeric_limits<T>::infinity();
}

// Packs the peepholes of i, f and o; with coupled gates of i and o.
template <class T>
void pack_peepholes(const Spec& spec, int lanes, const T* weights, PackedDirection<T>& d, BumpAllocator& allocator) {
  const std::ptrdiff_t hidden = spec.hidden_size;
  const bool full = spec.peepholes == Peepholes::full;
  d.peephole = full ? PanelShape(hidden, hidden, 1, lanes) : PanelShape();
  const PanelShape shape(hidden, full ? hidden : 1, 1, lanes);  // a diagonal is a matrix of one column
  for (int gate = 0, given = 0; gate < 3; ++gate) {
    if (gate == 1 && spec.coupled_gates) continue;
    (full ? d.extended.peephole_panels : d.extended.peepholes)[gate] = pack_matrix(
        shape, weights ? weights + given++ * hidden * shape.depth : nullptr, allocator, full ? kPage : kCacheLine);
  }
}

// With an empty allocator this only measures, and reads no weights.
template <class T>
PackedDirection<T> pack_direction(const Spec& spec, std::int64_t layer, int lanes, const DirectionWeights<T>& w,
                                  BumpAllocator& allocator) {
  const int gates = num_gates(spec);
  const std::ptrdiff_t hidden = spec.hidden_size;
  PackedDirection<T> d{};
  d.input = PanelShape(hidden, spec.layer_input(layer), gates, lanes);
  const int recurrent_gates = has_candidate(spec) ? gates - 1 : gates;
  d.recurrent = PanelShape(hidden, spec.state_size(), recurrent_gates, lanes);
  d.candidate = PanelShape(recurrent_gates < gates ? hidden : 0, hidden, 1, lanes);
  d.projection = PanelShape(spec.proj_size, hidden, 1, lanes);
  d.input_panels = pack_matrix(d.input, w.weight_ih, allocator);
  d.recurrent_panels = pack_matrix(d.recurrent, w.weight_hh, allocator);
  d.projection_panels = pack_matrix(d.projection, w.weight_hr, allocator);
  d.extended.gate_clip = clip_or_infinity<T>(spec.gate_clip);
  d.extended.cell_clip = clip_or_infinity<T>(spec.cell_clip);
  d.extended.candidate_panels =
      pack_matrix(d.candidate, w.weight_hh ? w.weight_hh + recurrent_gates * hidden * hidden : nullptr, allocator);
  if (spec.peepholes != Peepholes::none) pack_peepholes(spec, lanes, w.weight_peephole, d, allocator);

  // If r multiplies after the product, b_hn is not added to b_in: it starts a chain of its own.
  const bool gru = spec.cell == Cell::gru && spec.reset == Reset::after;
  T* bias = allocator.allocate<T>(d.input.padded_units() * gates);
  if (bias) pack_bias(d.input, gru ? 2 : gates, w.bias_ih, w.bias_hh, bias);
  d.bias = bias;
  const PanelShape one_gate(hidden, 1, 1, lanes);
  T* recurrent_bias = gru ? allocator.allocate<T>(one_gate.padded_units()) : nullptr;
  if (recurrent_bias) pack_bias<T>(one_gate, 0, w.bias_hh ? w.bias_hh + 2 * hidden : nullptr, nullptr, recurrent_bias);
  d.recurrent_bias = recurrent_bias;
  T* zeros = allocator.allocate<T>(d.projection.padded_units());
  if (zeros) std::fill_n(zeros, d.projection.padded_units(), T(0));
  d.projection_bias = zeros;

  const std::ptrdiff_t raw_biases = spec.bias ? gates * hidden : 0;
  d.raw_bias_ih = copy_array(w.bias_ih, raw_biases, allocator);
  d.raw_bias_hh = copy_array(w.bias_hh, raw_biases, allocator);
  return d;
}

template <class T>
void check_weights(const Spec& spec, const std::vector<DirectionWeights<T>>& weights) {
  const auto expected = static_cast<std::size_t>(spec.num_layers * spec.num_directions());
  if (weights.size() != expected) {
    throw std::invalid_argument("expected weights of " + std::to_string(expected) + " layers and directions, got " +
                                std::to_string(weights.size()));
  }
  const auto check = [](const char* name, bool exists, const T* array) {
    if (exists == (array != nullptr)) return;
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
std::size_t packed_nbytes(const Spec& spec, Isa isa) {
  BumpAllocator measure;
  for (std::int64_t layer = 0; layer < spec.num_layers; ++layer) {
    for (int direction = 0; direction < spec.num_directions(); ++direction) {
      pack_direction(spec, layer, select_kernels<T>(isa).lanes, DirectionWeights<T>(), measure);
    }
  }
  return measure.used();
}

template std::size_t packed_nbytes<float>(const Spec&, Isa);
template std::size_t packed_nbytes<double>(const Spec&, Isa);

template <class T>
PackedNetwork<T>::PackedNetwork(const Spec& s, const std::vector<DirectionWeights<T>>& weights, Isa i)
    : spec(s),
      is_extended(extended(s)),
      barriers_per_step(gatecell::barriers_per_step(s)),
      isa(i),
      kernels(select_kernels<T>(i)),
      cell(select_cell(kernels, s)) {
  check_weights(spec, weights);
  const FpMode mode;  // so that sums of biases do not depend on the caller's rounding mode
  const std::size_t measured = packed_nbytes<T>(spec, isa);
  memory = allocate_memory(measured);
  BumpAllocator allocator(memory.get(), measured);
  for (std::size_t n = 0; n < weights.size(); ++n) {
    const std::int64_t layer = static_cast<std::int64_t>(n) / spec.num_directions();
    directions.push_back(pack_direction(spec, layer, kernels.lanes, weights[n], allocator));
  }
  nbytes = allocator.used();
  for (const PackedDirection<T>& d : directions) {
    input_weights += d.input.size();
    recurrent_weights += d.step_weights() + d.projection.size();
  }
  packed_networks.fetch_add(1, std::memory_order_relaxed);
}

template <class T>
void unpack(const PackedDirection<T>& d, std::vector<std::vector<T>>& weights) {
  const auto append = [&](const PanelShape& shape, const T* panels) {
    if (!panels) return;
    const std::size_t size = weights.back().size();
    weights.back().resize(size + static_cast<std::size_t>(shape.units * shape.num_gates * shape.depth));
    unpack_panels(shape, panels, weights.back().data() + size);
  };
  const auto vector = [&](const T* values, std::ptrdiff_t count) {
    if (values) weights.emplace_back(values, values + count);
  };
  weights.emplace_back();
  append(d.input, d.input_panels);
  weights.emplace_back();
  append(d.recurrent, d.recurrent_panels);
  append(d.candidate, d.extended.candidate_panels);
  vector(d.raw_bias_ih, d.input.units * d.input.num_gates);
  vector(d.raw_bias_hh, d.input.units * d.input.num_gates);
  weights.emplace_back();
  const PanelShape diagonal(d.input.units, 1, 1, d.input.lanes);
  for (const T* values : d.extended.peepholes) append(diagonal, values);
  for (const T* panels : d.extended.peephole_panels) append(d.peephole, panels);
  if (weights.back().empty()) weights.pop_back();
  if (d.projection_panels) weights.emplace_back();
  append(d.projection, d.projection_panels);
}

template void unpack<float>(const PackedDirection<float>&, std::vector<std::vector<float>>&);
template void unpack<double>(const PackedDirection<double>&, std::vector<std::vector<double>>&);

std::int64_t pack_count() { return packed_networks.load(std::memory_order_relaxed); }

template struct PackedNetwork<float>;
template struct PackedNetwork<double>;

}  // namespace gatecell
