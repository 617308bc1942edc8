// The workers that one call holds.
//
// A caller leases idle workers, gives them jobs and waits for them. A busy pool gives fewer workers, or none. The
// caller then runs with the workers it has, and gets the same bits.
#pragma once

namespace gatecell {

class Worker;

// Returns its workers to the pool when it is destroyed.
class WorkerLease {
 public:
  // Leases up to `wanted` idle workers. If these are too few, starts threads, as long as there are more usable CPUs
  // than threads.
  explicit WorkerLease(int wanted) {
    if (wanted > 0) lease(wanted);
  }
  ~WorkerLease() {
    if (first_) release();
  }
  WorkerLease(const WorkerLease&) = delete;
  WorkerLease& operator=(const WorkerLease&) = delete;

  int size() const { return size_; }

  // Whether all workers are awake, as they are for a moment after their last job. Then they start at once.
  bool is_awake() const;

  // Starts to wake the workers. has_woken() tells when all are awake; until then the caller may do something else.
  void wake();
  bool has_woken() const;

  // Runs job(context, share): share 0 on this thread, shares 1 ... shares-1 on the workers, of which there must be
  // enough. Returns when all are done. The job must not throw.
  void run(int shares, void (*job)(void* context, int share), void* context);

 private:
  void lease(int wanted);
  void release();
  template <class F>
  bool all_of_workers(const F& f) const;

  Worker* first_ = nullptr;  // a linked list through the workers, so that a lease allocates nothing
  int size_ = 0;
};

}  // namespace gatecell
