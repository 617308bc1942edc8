#include "pack/packed.h"

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <string>

#include "cells/cell_kernel.h"
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

// The address behind the first n weights; null without weights.
template <class T>
const T* behind(const T* weights, std::ptrdiff_t n) {
  return weights ? weights + n : nullptr;
}

// Packs the weights of one direction. Where the allocator gives no memory, this only measures.
template <class T>
class DirectionPacker {
 public:
  DirectionPacker(const Spec& spec, const PanelFormat& format, PackRow<T> pack_row, BumpAllocator& allocator)
      : spec_(spec), format_(format), pack_row_(pack_row), allocator_(allocator) {}

  PackedDirection<T> pack(std::int64_t layer, const DirectionWeights<T>& w) {
    const int gates = num_gates(spec_);
    const std::ptrdiff_t hidden = spec_.hidden_size;
    PackedDirection<T> d{};
    d.input = PanelShape(hidden, spec_.layer_input(layer), gates, format_);
    const int recurrent_gates = has_candidate(spec_) ? gates - 1 : gates;
    d.recurrent = PanelShape(hidden, spec_.state_size(), recurrent_gates, format_);
    d.candidate = PanelShape(recurrent_gates < gates ? hidden : 0, hidden, 1, format_);
    d.projection = PanelShape(spec_.proj_size, hidden, 1, format_);
    d.input_panels = matrix(d.input, w.weight_ih);
    d.recurrent_panels = matrix(d.recurrent, w.weight_hh);
    d.projection_panels = matrix(d.projection, w.weight_hr);
    d.extended.candidate_panels =
        matrix(d.candidate, behind(w.weight_hh, recurrent_gates * hidden * d.recurrent.depth));
    set_numbers(spec_, d.extended);
    if (spec_.peepholes != Peepholes::none) pack_peepholes(w.weight_peephole, d);

    // If r multiplies after the product, b_hn is not added to b_in: it starts a chain of its own.
    const bool gru = spec_.cell == Cell::gru && spec_.reset == Reset::after;
    T* bias = allocator_.template allocate<T>(d.input.padded_units() * gates);
    if (bias) pack_bias(d.input, gru ? 2 : gates, w.bias_ih, w.bias_hh, bias);
    d.bias = bias;
    if (gru) d.recurrent_bias = vector(hidden, behind(w.bias_hh, 2 * hidden));
    d.projection_bias = vector(spec_.proj_size, nullptr);
    return d;
  }

 private:
  Panels matrix(const PanelShape& shape, const T* weights) {
    if (shape.size() == 0) return {};
    auto* panels = allocator_.template allocate<std::byte>(shape.bytes(), kPage);
    float* vectors = shape.lane_vectors ? allocator_.template allocate<float>(shape.lane_vectors_size()) : nullptr;
    if (panels) pack_panels(shape, pack_row_, weights, panels, vectors);
    return {panels, vectors, shape.has_strips(), shape.panel_step, shape.strip_step, shape.k_step};
  }

  // One number of each unit, [block][W]. Null values are zeros.
  const T* vector(std::ptrdiff_t units, const T* values) {
    const PanelShape shape(units, 1, 1, format_);
    T* packed = allocator_.template allocate<T>(shape.padded_units());
    if (packed) pack_bias<T>(shape, 0, values, nullptr, packed);
    return packed;
  }

  // The peepholes of i, f and o; with coupled gates of i and o.
  void pack_peepholes(const T* weights, PackedDirection<T>& d) {
    const std::ptrdiff_t hidden = spec_.hidden_size;
    const bool full = spec_.peepholes == Peepholes::full;
    if (full) d.peephole = PanelShape(hidden, hidden, 1, format_);
    for (int gate = 0; gate < 3; ++gate) {
      if (gate == 1 && spec_.coupled_gates) continue;
      if (full) {
        d.extended.peephole_panels[gate] = matrix(d.peephole, weights);
      } else {
        d.extended.peepholes[gate] = vector(hidden, weights);
      }
      weights = behind(weights, full ? hidden * hidden : hidden);
    }
  }

  const Spec& spec_;
  const PanelFormat& format_;
  const PackRow<T> pack_row_;
  BumpAllocator& allocator_;
};

// Packs the weights of all layers and directions. Where the allocator gives no memory, this only measures, and the
// weights may be null.
template <class T>
std::vector<PackedDirection<T>> pack_network(const Spec& spec, const PanelFormat& format, WeightType type,
                                             const std::vector<DirectionWeights<T>>& weights,
                                             BumpAllocator& allocator) {
  DirectionPacker<T> packer(spec, format, pack_row<T>(type), allocator);
  std::vector<PackedDirection<T>> directions;
  for (std::size_t n = 0; n < weights.size(); ++n) {
    directions.push_back(packer.pack(static_cast<std::int64_t>(n) / spec.num_directions(), weights[n]));
  }
  return directions;
}

template <class T>
void check_weights(const Spec& spec, const std::vector<DirectionWeights<T>>& weights) {
  const auto expected = static_cast<std::size_t>(spec.direction_runs());
  if (weights.size() != expected) {
    throw std::invalid_argument("expected weights of " + std::to_string(expected) + " layers and directions, got " +
                                std::to_string(weights.size()));
  }
  const std::vector<WeightShape> existing = weight_shapes(spec, 0);
  for (const DirectionWeights<T>& w : weights) {
    for (const auto& [name, member] : DirectionWeights<T>::members) {
      const bool exists = std::any_of(existing.begin(), existing.end(),
                                      [name = name](const WeightShape& weight) { return weight.name == name; });
      if (exists == (w.*member != nullptr)) continue;
      throw std::invalid_argument(std::string("expected ") + (exists ? "" : "no ") + name + ", got " +
                                  (exists ? "none" : "one"));
    }
  }
}

}  // namespace

template <class T>
PackedNetwork<T>::PackedNetwork(const Spec& s, const std::vector<DirectionWeights<T>>& weights, Isa i, WeightType type)
    : spec(s),
      is_extended(extended(s)),
      barriers_per_step(gatecell::barriers_per_step(s)),
      isa(i),
      rates(gatecell::rates(i)),
      caches(gatecell::caches()),
      kernels(select_kernels<T>(i).weight_types[static_cast<int>(type)]),
      cell(kernels.cells[static_cast<int>(cell_kernel(s))]) {
  check_weights(spec, weights);
  const FpMode mode;  // so that sums of biases do not depend on the caller's rounding mode
  BumpAllocator measure;
  pack_network<T>(spec, kernels.format, type, std::vector<DirectionWeights<T>>(weights.size()), measure);
  nbytes = measure.used();
  memory = allocate_memory(nbytes);
  BumpAllocator allocator(memory.get(), nbytes);
  directions = pack_network(spec, kernels.format, type, weights, allocator);
  for (const PackedDirection<T>& d : directions) {
    input_weights += d.input.weights();
    recurrent_weights += d.step_weights() + d.projection.weights();
  }
  packed_networks.fetch_add(1, std::memory_order_relaxed);
}

template <class T>
std::size_t packed_nbytes(const Spec& spec, Isa isa) {
  parse_isa(name(isa));  // throws if this machine cannot run it
  const WeightType type = WeightType::native;
  BumpAllocator measure;
  pack_network<T>(spec, select_kernels<T>(isa).weight_types[static_cast<int>(type)].format, type,
                  std::vector<DirectionWeights<T>>(static_cast<std::size_t>(spec.direction_runs())), measure);
  return measure.used();
}

template std::size_t packed_nbytes<float>(const Spec&, Isa);
template std::size_t packed_nbytes<double>(const Spec&, Isa);

std::int64_t pack_count() { return packed_networks.load(std::memory_order_relaxed); }

template struct PackedNetwork<float>;
template struct PackedNetwork<double>;

}  // namespace gatecell
