// The worker threads of the process: one pool for all networks. Its threads start when a call first needs them, and
// sleep between calls.
//
// Callers use it through WorkerLease. After fork() the child has no workers. It starts a pool of its own when it first
// needs one.
#pragma once

#include <atomic>
#include <mutex>
#include <vector>

#include "schedule/round_trip.h"
#include "schedule/worker.h"

namespace gatecell {

// A pool grows and never shrinks. It is never destroyed, because its threads may outlive main().
class ThreadPool {
 public:
  // The pool of this process; the first call creates it, without threads.
  static ThreadPool& instance();
  // The pool of this process, or null if none has been created.
  static ThreadPool* find();

  // Leases up to `wanted` workers. Returns their number, and puts them into the list that begins with `first`.
  int lease(int wanted, Worker*& first);

  int size() const { return size_.load(std::memory_order_relaxed); }

  // Whether the first worker is free and awake, as it is for a moment after its last job. Then it starts at once.
  bool is_awake() const {
    const Worker* first = first_.load(std::memory_order_acquire);
    return first && !first->is_leased() && first->is_awake();
  }

  RoundTrip& round_trip() { return round_trip_; }
  const RoundTrip& round_trip() const { return round_trip_; }

 private:
  // A new worker, already leased; null if the system gives no thread or no memory.
  Worker* start_worker();

  std::mutex mutex_;  // a call locks it once, and only if it needs workers
  std::vector<Worker*> workers_;
  std::atomic<Worker*> first_{nullptr};
  std::atomic<int> size_{0};
  RoundTrip round_trip_;
};

// Whether the first worker of the pool is free and awake. False if there is no pool.
bool thread_pool_is_awake();

}  // namespace gatecell
