// Live streams that come and go, by the thousand: one state each, one network, and any of them advanced as one batch.
#pragma once

#include <cstdint>
#include <memory>

#include "gatecell/network.h"

namespace gatecell {

// A stream's results are bit for bit those of running it alone. A pool keeps the weights alive, not the network object.
// One thread at a time. Wherever ids are given, each is that of an open stream and none comes twice, but in get_state;
// otherwise, and for negative numbers, std::invalid_argument is thrown and no state has changed.
template <class T>
class StreamPool {
 public:
  // For at most `capacity` open streams. Throws std::invalid_argument for a bidirectional network, which needs the end
  // before the beginning, and a capacity below 1; std::bad_alloc.
  StreamPool(const Network<T>& net, std::int64_t capacity);
  ~StreamPool();
  StreamPool(StreamPool&&) noexcept;
  StreamPool& operator=(StreamPool&&) noexcept;

  // A new stream, its state zeros. Its id is 0 or more, and no other stream of this pool ever has it. Throws
  // std::length_error while `capacity` streams are open; std::bad_alloc.
  std::int64_t open();
  void close(std::int64_t id);

  std::int64_t size() const;  // open streams
  std::int64_t capacity() const;
  std::size_t nbytes() const;  // states of `capacity` streams, which the system provides as they are first used

  // n streams take a step: x (n, input_size) gives y (n, output_size), contiguous and apart. Throws std::bad_alloc for
  // scratch; no state has changed then.
  void step(const std::int64_t* ids, std::int64_t n, const T* x, T* y, int num_threads);
  // The same for lengths[i] >= 0 steps of stream i: x and y have the steps of stream 0, then those of stream 1, ...
  void run(const std::int64_t* ids, std::int64_t n, const std::int64_t* lengths, const T* x, T* y, int num_threads);

  // The state h (layers, n, state size) and for an LSTM c (layers, n, hidden_size), contiguous; null h or c: zeros when
  // set, left out when got.
  void set_state(const std::int64_t* ids, std::int64_t n, const T* h, const T* c);
  void get_state(const std::int64_t* ids, std::int64_t n, T* h, T* c) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gatecell
