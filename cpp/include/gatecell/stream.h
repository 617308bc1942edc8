// Sequences that arrive step by step: a network's state, kept where the kernels want it.
#pragma once

#include <cstdint>
#include <memory>

#include "gatecell/network.h"

namespace gatecell {

// `rows` sequences in step with each other, one direction. A stream keeps the weights alive, not the network object.
// One thread at a time. Results are bit for bit those of one call over the whole sequence.
template <class T>
class Stream {
 public:
  // Begins with zeros. Throws std::invalid_argument for a bidirectional network, which needs the end before the
  // beginning, and for rows below 1; std::bad_alloc.
  explicit Stream(const Network<T>& net, std::int64_t rows = 1);
  ~Stream();
  Stream(Stream&&) noexcept;
  Stream& operator=(Stream&&) noexcept;

  // One time step on the calling thread: x (rows, input_size) gives y (rows, output_size), both contiguous and apart.
  // Allocates nothing, takes no lock, throws nothing.
  void step(const T* x, T* y) noexcept;

  // The state h (layers, rows, state size) and for an LSTM c (layers, rows, hidden_size), contiguous; null h or c:
  // zeros when set, left out when got.
  void set_state(const T* h, const T* c) noexcept;
  void get_state(T* h, T* c) const noexcept;
  // Zeros for n rows, each from 0 to rows - 1. Throws std::invalid_argument for another one; no state has changed then.
  void reset(const std::int64_t* which, std::int64_t n);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gatecell
