// Each stream has a row of the state arrays. A call reads and writes these arrays in place. Its `state_rows` are the
// rows of the streams that take part.
#include "gatecell/stream_pool.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "runtime/memory.h"

namespace gatecell {
namespace {

// One row of the state arrays.
struct Slot {
  // Of the stream that has the row, or of the next stream if the row is free. It is row + capacity * (the number of
  // streams that had the row before).
  std::int64_t id;
  bool is_open;
  std::int64_t last_lookup;  // the number of the last lookup, to find ids that are given twice
};

// Whether the ids are only zeros and ones, and more than the two ids 0 and 1.
bool look_like_a_mask(const std::int64_t* ids, std::int64_t n) {
  const bool zeros_and_ones = std::all_of(ids, ids + n, [](std::int64_t id) { return id == 0 || id == 1; });
  return zeros_and_ones && (n > 2 || (n == 2 && ids[0] == ids[1]));
}

[[noreturn]] void throw_bad_ids(const std::int64_t* ids, std::int64_t n, const std::string& got) {
  throw std::invalid_argument("expected ids of open streams, each once, got " + got +
                              (look_like_a_mask(ids, n) ? ": these look like a mask, not like ids" : ""));
}

}  // namespace

template <class T>
struct StreamPool<T>::Impl {
  Impl(const Network<T>& network, std::int64_t capacity_) : net(network), spec(network.spec()), capacity(capacity_) {
    const std::int64_t layers = spec.num_layers, features = spec.state_size() + c_size();
    if (capacity > PTRDIFF_MAX / static_cast<std::int64_t>(sizeof(T)) / layers / features) throw std::bad_alloc();
    memory = allocate_memory(nbytes());
    h = reinterpret_cast<T*>(memory.get());
    c = c_size() ? h + capacity * layers * spec.state_size() : nullptr;
  }

  std::int64_t c_size() const { return spec.cell == Cell::lstm ? spec.hidden_size : 0; }
  std::size_t nbytes() const {
    return static_cast<std::size_t>(capacity * spec.num_layers * (spec.state_size() + c_size())) * sizeof(T);
  }

  // Finds the rows of these streams and puts them into `rows`. Throws std::invalid_argument for ids that are not valid.
  void look_up(const std::int64_t* ids, std::int64_t n, bool may_repeat = false) {
    if (n < 0) throw std::invalid_argument("expected n streams of at least 0, got " + std::to_string(n));
    ++lookups;
    rows.clear();
    for (std::int64_t i = 0; i < n; ++i) {
      const std::int64_t id = ids[i], row = id % capacity;
      const bool known = id >= 0 && row < static_cast<std::int64_t>(slots.size());
      Slot* const slot = known ? &slots[static_cast<std::size_t>(row)] : nullptr;
      if (!slot || id > slot->id || (id == slot->id && !slot->is_open)) {
        throw_bad_ids(ids, n, std::to_string(id) + ", which never was one");
      }
      if (id < slot->id) throw_bad_ids(ids, n, std::to_string(id) + ", which is closed");
      if (slot->last_lookup == lookups && !may_repeat) throw_bad_ids(ids, n, std::to_string(id) + " twice");
      slot->last_lookup = lookups;
      rows.push_back(row);
    }
  }

  // Calls f(row of the pool's state arrays, row of an array with only these n streams) for all layers and streams.
  template <class F>
  void for_states(const F& f) const {
    const auto n = static_cast<std::int64_t>(rows.size());
    for (std::int64_t layer = 0; layer < spec.num_layers; ++layer) {
      for (std::int64_t i = 0; i < n; ++i) f(layer * capacity + rows[static_cast<std::size_t>(i)], layer * n + i);
    }
  }

  void set_rows(T* to, const T* from, std::int64_t size) {
    for_states([&](std::int64_t pool_row, std::int64_t dense_row) {
      from ? std::copy_n(from + dense_row * size, size, to + pool_row * size)
           : std::fill_n(to + pool_row * size, size, T(0));
    });
  }
  void get_rows(const T* from, T* to, std::int64_t size) const {
    for_states([&](std::int64_t pool_row, std::int64_t dense_row) {
      std::copy_n(from + pool_row * size, size, to + dense_row * size);
    });
  }

  Network<T> net;
  Spec spec;
  std::int64_t capacity, lookups = 0;
  Allocation memory;
  T *h, *c;                        // (layers, capacity, features); c is null without c
  std::vector<Slot> slots;         // of all rows that a stream has ever had
  std::vector<std::int64_t> free;  // rows of closed streams
  std::vector<std::int64_t> rows;  // of the last lookup
};

template <class T>
StreamPool<T>::StreamPool(const Network<T>& net, std::int64_t capacity) {
  if (net.spec().bidirectional) {
    throw std::invalid_argument("expected a network of one direction for a pool of streams, got a bidirectional one");
  }
  if (capacity < 1) throw std::invalid_argument("expected capacity of at least 1, got " + std::to_string(capacity));
  impl_ = std::make_unique<Impl>(net, capacity);
}

template <class T>
StreamPool<T>::~StreamPool() = default;
template <class T>
StreamPool<T>::StreamPool(StreamPool&&) noexcept = default;
template <class T>
StreamPool<T>& StreamPool<T>::operator=(StreamPool&&) noexcept = default;

template <class T>
std::int64_t StreamPool<T>::open() {
  Impl& p = *impl_;
  if (size() == p.capacity) {
    throw std::length_error("all " + std::to_string(p.capacity) + " streams of this pool are open");
  }
  if (p.free.empty()) {
    const std::size_t row = p.slots.size();
    if (row == p.slots.capacity()) p.slots.reserve(2 * row + 16);
    p.rows.reserve(p.slots.capacity());  // here, so that lookups of step() and close() never allocate
    p.free.reserve(p.slots.capacity());
    p.slots.push_back({static_cast<std::int64_t>(row), false, 0});
    p.free.push_back(static_cast<std::int64_t>(row));
  }
  Slot& slot = p.slots[static_cast<std::size_t>(p.free.back())];
  p.free.pop_back();
  slot.is_open = true;
  set_state(&slot.id, 1, nullptr, nullptr);
  return slot.id;
}

template <class T>
void StreamPool<T>::close(std::int64_t id) {
  Impl& p = *impl_;
  p.look_up(&id, 1);
  const std::int64_t row = p.rows.front();
  Slot& slot = p.slots[static_cast<std::size_t>(row)];
  slot.is_open = false;
  slot.id += p.capacity;
  p.free.push_back(row);
}

template <class T>
std::int64_t StreamPool<T>::size() const {
  return static_cast<std::int64_t>(impl_->slots.size() - impl_->free.size());
}

template <class T>
std::int64_t StreamPool<T>::capacity() const {
  return impl_->capacity;
}

template <class T>
std::size_t StreamPool<T>::nbytes() const {
  return impl_->nbytes();
}

template <class T>
PreparedCall<T> StreamPool<T>::prepare(const std::int64_t* ids, std::int64_t n, const std::int64_t* lengths, const T* x,
                                       T* y, int num_threads) {
  Impl& p = *impl_;
  p.look_up(ids, n);
  Call<T> call;
  call.rows = n;
  call.steps = !lengths ? 1 : n ? *std::max_element(lengths, lengths + n) : 0;
  call.x = x;
  call.x_row = call.x_step = p.spec.input_size;
  call.y = y;
  call.y_row = call.y_step = p.spec.output_size();
  call.h_0 = call.h_n = p.h;
  call.c_0 = call.c_n = p.c;
  call.lengths = lengths;
  call.layout = Layout::jagged;
  call.state_rows = p.rows.data();
  call.state_capacity = p.capacity;
  return p.net.prepare(call, num_threads);
}

template <class T>
void StreamPool<T>::step(const std::int64_t* ids, std::int64_t n, const T* x, T* y, int num_threads) {
  prepare(ids, n, nullptr, x, y, num_threads).run();
}

template <class T>
void StreamPool<T>::run(const std::int64_t* ids, std::int64_t n, const std::int64_t* lengths, const T* x, T* y,
                        int num_threads) {
  prepare(ids, n, lengths, x, y, num_threads).run();
}

template <class T>
void StreamPool<T>::set_state(const std::int64_t* ids, std::int64_t n, const T* h, const T* c) {
  Impl& p = *impl_;
  p.look_up(ids, n);
  p.set_rows(p.h, h, p.spec.state_size());
  if (p.c) p.set_rows(p.c, c, p.c_size());
}

template <class T>
void StreamPool<T>::get_state(const std::int64_t* ids, std::int64_t n, T* h, T* c) const {
  Impl& p = *impl_;
  p.look_up(ids, n, true);
  if (h) p.get_rows(p.h, h, p.spec.state_size());
  if (c && p.c) p.get_rows(p.c, c, p.c_size());
}

template class StreamPool<float>;
template class StreamPool<double>;

}  // namespace gatecell
