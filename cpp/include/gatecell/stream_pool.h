// Thousands of streams of one network. Each has a state of its own. Streams open and close at any time, and any of them
// take steps together as one batch.
#pragma once

#include <cstdint>
#include <memory>

#include "gatecell/network.h"

namespace gatecell {

// The results of a stream have the same bits as those of a Stream. A stream pool keeps the weights alive; the network
// object may be destroyed. Only one thread at a time may use it. All given ids must belong to open streams, and except
// in get_state() all must be different. Otherwise, and for negative numbers, functions throw std::invalid_argument and
// change no state.
template <class T>
class StreamPool {
 public:
  // For at most `capacity` open streams. Throws std::invalid_argument for a capacity below 1, and for a bidirectional
  // network, because its reverse direction begins at the end of a sequence. Throws std::bad_alloc.
  StreamPool(const Network<T>& net, std::int64_t capacity);
  ~StreamPool();
  StreamPool(StreamPool&&) noexcept;
  StreamPool& operator=(StreamPool&&) noexcept;

  // Opens a stream with a state of zeros. Returns its id, which is 0 or more. No other stream of this pool ever gets
  // the same id. Throws std::length_error while `capacity` streams are open; std::bad_alloc.
  std::int64_t open();
  void close(std::int64_t id);

  std::int64_t size() const;  // open streams
  std::int64_t capacity() const;
  // The memory for the state of `capacity` streams. The system provides it when it is first used.
  std::size_t nbytes() const;

  // n streams take one step: x (n, input_size) gives y (n, output_size), contiguous and not overlapping. Throws
  // std::bad_alloc if there is no memory for scratch, and then changes no state.
  void step(const std::int64_t* ids, std::int64_t n, const T* x, T* y, int num_threads);
  // Stream i takes lengths[i] >= 0 steps. x and y have the steps of stream 0, then the steps of stream 1, ... Throws
  // the same exceptions as step(), and then changes no state.
  void run(const std::int64_t* ids, std::int64_t n, const std::int64_t* lengths, const T* x, T* y, int num_threads);
  // What step() (null lengths) or run() then runs. The pool must not be moved or used before the prepared call has run.
  PreparedCall<T> prepare(const std::int64_t* ids, std::int64_t n, const std::int64_t* lengths, const T* x, T* y,
                          int num_threads);

  // The state is h (layers, n, state size) and, for an LSTM, c (layers, n, hidden_size), contiguous. For a null h or
  // c set_state sets zeros, and get_state returns no array.
  void set_state(const std::int64_t* ids, std::int64_t n, const T* h, const T* c);
  void get_state(const std::int64_t* ids, std::int64_t n, T* h, T* c) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gatecell
