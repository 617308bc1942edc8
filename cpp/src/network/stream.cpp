#include "gatecell/stream.h"

#include <cstdint>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

#include "pack/packed.h"
#include "runtime/fp_mode.h"
#include "runtime/memory.h"
#include "schedule/forward.h"
#include "schedule/layer_runs.h"

namespace gatecell {

// The direction runs, which have the state, in one allocation. Each step is fused, because there are no other steps to
// project the input with.
template <class T>
struct Stream<T>::Impl {
  Impl(std::shared_ptr<const PackedNetwork<T>> packed, std::int64_t rows_)
      : net(std::move(packed)), rows(rows_), runs(*net, rows_, 1) {
    BumpAllocator one_row;
    LayerRuns<T>(*net, 1, 1).lay_out(one_row, true);
    if (one_row.used() > static_cast<std::size_t>(PTRDIFF_MAX / rows)) throw std::bad_alloc();
    BumpAllocator measure;
    lay_out(measure);
    memory = allocate_memory(measure.used());
    BumpAllocator allocator(memory.get(), measure.used());
    lay_out(allocator);
  }

  void lay_out(BumpAllocator& allocator) {
    states = allocator.allocate<StateArrays<T>>(net->spec.num_layers);
    runs.lay_out(allocator, true);
  }

  std::shared_ptr<const PackedNetwork<T>> net;
  std::int64_t rows;
  Allocation memory;
  LayerRuns<T> runs;
  StateArrays<T>* states = nullptr;  // [layer], of a prepared call
};

template <class T>
Stream<T>::Stream(const Network<T>& net, std::int64_t rows) {
  if (net.spec().bidirectional)
    throw std::invalid_argument("expected a network of one direction for a stream, got a bidirectional one");
  if (rows < 1) throw std::invalid_argument("expected rows of at least 1, got " + std::to_string(rows));
  impl_ = std::make_unique<Impl>(net.packed_, rows);
  set_state(nullptr, nullptr);
}

template <class T>
Stream<T>::~Stream() = default;
template <class T>
Stream<T>::Stream(Stream&&) noexcept = default;
template <class T>
Stream<T>& Stream<T>::operator=(Stream&&) noexcept = default;

template <class T>
void Stream<T>::step(const T* x, T* y) noexcept {
  const FpMode mode;
  Impl& s = *impl_;
  const Spec& spec = s.net->spec;
  s.runs.advance({x, 0, static_cast<std::ptrdiff_t>(spec.input_size)},
                 {y, 0, static_cast<std::ptrdiff_t>(spec.output_size())}, 1, true, nullptr);
}

template <class T>
void Stream<T>::run(std::int64_t steps, const T* x, T* y, int num_threads) {
  const Spec& spec = impl_->net->spec;
  Call<T> call;
  call.steps = steps;
  call.x = x;
  call.x_row = spec.input_size;
  call.x_step = impl_->rows * call.x_row;
  call.y = y;
  call.y_row = spec.output_size();
  call.y_step = impl_->rows * call.y_row;
  prepare(call, num_threads).run();
}

template <class T>
PreparedCall<T> Stream<T>::prepare(const Call<T>& call, int num_threads) {
  Impl& s = *impl_;
  for (std::int64_t layer = 0; layer < s.net->spec.num_layers; ++layer) s.states[layer] = s.runs[layer].state();
  Call<T> own;
  own.steps = call.steps;
  own.rows = s.rows;
  own.x = call.x;
  own.x_step = call.x_step;
  own.x_row = call.x_row;
  own.y = call.y;
  own.y_step = call.y_step;
  own.y_row = call.y_row;
  const FpMode mode;
  return PreparedCall<T>(*s.net, own, s.states, num_threads);
}

template <class T>
void Stream<T>::set_state(const T* h, const T* c) noexcept {
  const Spec& spec = impl_->net->spec;
  const std::int64_t rows = impl_->rows;
  for (std::int64_t layer = 0; layer < spec.num_layers; ++layer) {
    const T* const layer_h = h ? h + layer * rows * spec.state_size() : nullptr;
    const T* const layer_c = c ? c + layer * rows * spec.hidden_size : nullptr;
    impl_->runs[layer].begin({layer_h, layer_c, nullptr, nullptr, spec.state_size(), spec.hidden_size}, rows);
  }
}

template <class T>
void Stream<T>::get_state(T* h, T* c) const noexcept {
  const Spec& spec = impl_->net->spec;
  const std::int64_t rows = impl_->rows;
  for (std::int64_t layer = 0; layer < spec.num_layers; ++layer) {
    impl_->runs[layer].get_state(h ? h + layer * rows * spec.state_size() : nullptr,
                                 c ? c + layer * rows * spec.hidden_size : nullptr);
  }
}

template <class T>
void Stream<T>::reset(const std::int64_t* indices, std::int64_t n) {
  Impl& s = *impl_;
  for (std::int64_t i = 0; i < n; ++i) {
    if (indices[i] < 0 || indices[i] >= s.rows) {
      throw std::invalid_argument("expected rows from 0 to " + std::to_string(s.rows - 1) + ", got " +
                                  std::to_string(indices[i]));
    }
  }
  for (std::int64_t layer = 0; layer < s.net->spec.num_layers; ++layer) {
    for (std::int64_t i = 0; i < n; ++i) s.runs[layer].reset(indices[i]);
  }
}

template class Stream<float>;
template class Stream<double>;

}  // namespace gatecell
