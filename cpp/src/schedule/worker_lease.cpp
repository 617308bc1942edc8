#include "schedule/worker_lease.h"

#include "schedule/thread_pool.h"

namespace gatecell {

void WorkerLease::lease(int wanted) { size_ = ThreadPool::instance().lease(wanted, first_); }

void WorkerLease::release() {
  for (Worker* worker = first_; worker;) {
    Worker* const next = worker->next();  // read first: after release() another caller may lease the worker
    worker->release();
    worker = next;
  }
}

template <class F>
bool WorkerLease::all_of_workers(const F& f) const {
  for (const Worker* worker = first_; worker; worker = worker->next()) {
    if (!f(*worker)) return false;
  }
  return true;
}

bool WorkerLease::is_awake() const {
  return all_of_workers([](const Worker& worker) { return worker.is_awake(); });
}

void WorkerLease::wake() {
  for (Worker* worker = first_; worker; worker = worker->next()) {
    if (worker->is_done()) worker->start([](void*, int) {}, nullptr, 0);
  }
}

bool WorkerLease::has_woken() const {
  return all_of_workers([](const Worker& worker) { return worker.is_done(); });
}

void WorkerLease::run(int shares, void (*job)(void*, int), void* context) {
  Worker* worker = first_;
  for (int share = 1; share < shares; ++share, worker = worker->next()) {
    worker->wait();  // it may still be waking up
    worker->start(job, context, share);
  }
  job(context, 0);
  worker = first_;
  for (int share = 1; share < shares; ++share, worker = worker->next()) worker->wait();
}

}  // namespace gatecell
