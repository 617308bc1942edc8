// One worker thread of the pool: it sleeps, is leased to a caller, and runs the caller's jobs.
#pragma once

#include <atomic>
#include <chrono>

#include "constants.h"
#include "runtime/fp_mode.h"
#include "runtime/wait_counter.h"

namespace gatecell {

inline constexpr std::chrono::microseconds kSpinForJob{kSpinForJobMicroseconds};
inline constexpr std::chrono::microseconds kSpinForWorker{kSpinForWorkerMicroseconds};

class Worker {
 public:
  // Whether this caller now has the worker.
  bool try_lease() {
    bool idle = false;
    return !leased_.load(std::memory_order_relaxed) &&
           leased_.compare_exchange_strong(idle, true, std::memory_order_acquire);
  }
  void release() { leased_.store(false, std::memory_order_release); }
  bool is_leased() const { return leased_.load(std::memory_order_relaxed); }
  Worker* next() const { return next_; }
  void set_next(Worker* next) { next_ = next; }
  bool is_awake() const { return running_.load(std::memory_order_relaxed) && !started_jobs_.has_sleepers(); }

  // Starts job(context, share). The job before must be done.
  void start(void (*job)(void*, int), void* context, int share) {
    job_ = job;
    context_ = context;
    share_ = share;
    started_jobs_.raise(++started_);
  }
  bool is_done() const { return finished_jobs_.value() == started_; }
  void wait() const { finished_jobs_.wait_for(started_, kSpinForWorker); }

  // What the thread runs; never returns.
  void loop() {
    running_.store(true, std::memory_order_relaxed);
    for (std::uint32_t job_number = 1;; ++job_number) {
      // The caller that woke this worker may have finished alone and released it. Then no next call is near.
      started_jobs_.wait_for(job_number, is_leased() ? kSpinForJob : std::chrono::microseconds{0});
      {
        const FpMode mode;
        job_(context_, share_);
      }
      finished_jobs_.raise(job_number);
    }
  }

 private:
  WaitCounter started_jobs_, finished_jobs_;
  alignas(kCacheLine) std::atomic<bool> leased_{false};
  std::atomic<bool> running_{false};
  // Only the caller that leases the worker writes these:
  std::uint32_t started_ = 0;
  Worker* next_ = nullptr;  // in the list of a lease
  void (*job_)(void*, int) = nullptr;
  void* context_ = nullptr;
  int share_ = 0;
};

}  // namespace gatecell
