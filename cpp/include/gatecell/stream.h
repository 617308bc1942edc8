// Sequences that arrive step by step. A stream keeps the state of a network between steps, in the layout of the
// kernels.
#pragma once

#include <cstdint>
#include <memory>

#include "gatecell/network.h"

namespace gatecell {

// The state of `rows` sequences that take each step together, in a network of one direction. A stream keeps the weights
// alive; the network object may be destroyed. Only one thread at a time may use it. Results have the same bits as one
// call over the whole sequence.
template <class T>
class Stream {
 public:
  // The state begins with zeros. Throws std::invalid_argument for rows below 1, and for a bidirectional network,
  // because its reverse direction begins at the end of a sequence. Throws std::bad_alloc.
  explicit Stream(const Network<T>& net, std::int64_t rows = 1);
  ~Stream();
  Stream(Stream&&) noexcept;
  Stream& operator=(Stream&&) noexcept;

  // Takes one time step on the calling thread: x (rows, input_size) gives y (rows, output_size). Both are contiguous
  // and do not overlap. Allocates nothing, locks nothing, throws nothing.
  void step(const T* x, T* y) noexcept;

  // Takes several time steps, on up to num_threads threads: x (steps, rows, input_size) gives y (steps, rows,
  // output_size). Both are contiguous and do not overlap. The state is updated in place. Throws std::invalid_argument
  // for negative steps and a null x or y, std::bad_alloc if there is no memory for scratch; then the state has not
  // changed.
  void run(std::int64_t steps, const T* x, T* y, int num_threads);
  // The same with any strides: uses only steps, x, y and their strides of the call. The stream must not be moved or
  // used before the prepared call has run.
  PreparedCall<T> prepare(const Call<T>& call, int num_threads);

  // The state is h (layers, rows, state size) and, for an LSTM, c (layers, rows, hidden_size), contiguous. A null h or
  // c sets zeros, or is not returned.
  void set_state(const T* h, const T* c) noexcept;
  void get_state(T* h, T* c) const noexcept;
  // Sets the state of n rows to zeros. Each of the n indices is from 0 to rows - 1; for another one this throws
  // std::invalid_argument and changes no state.
  void reset(const std::int64_t* indices, std::int64_t n);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gatecell
