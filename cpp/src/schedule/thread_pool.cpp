#include "schedule/thread_pool.h"

#include <pthread.h>
#include <signal.h>

#include <exception>
#include <memory>
#include <thread>

#include "runtime/cpu_count.h"
#include "runtime/test_hooks.h"

namespace gatecell {
namespace {

std::atomic<ThreadPool*> pool_of_process{nullptr};

// In a forked child the threads are gone, and one of them may have held the mutex. The child drops the pool without
// freeing it.
[[maybe_unused]] const int at_fork = pthread_atfork(nullptr, nullptr, [] { pool_of_process.store(nullptr); });

}  // namespace

ThreadPool* ThreadPool::find() { return pool_of_process.load(std::memory_order_acquire); }

ThreadPool& ThreadPool::instance() {
  ThreadPool* found = find();
  if (found) return *found;
  auto created = std::make_unique<ThreadPool>();
  if (pool_of_process.compare_exchange_strong(found, created.get(), std::memory_order_acq_rel)) {
    return *created.release();
  }
  return *found;
}

int ThreadPool::lease(int wanted, Worker*& first) {
  const std::lock_guard<std::mutex> lock(mutex_);
  int leased = 0;
  const auto append = [&](Worker* worker) {
    worker->set_next(first);
    first = worker;
    ++leased;
  };
  for (Worker* worker : workers_) {
    if (leased == wanted) return leased;
    if (worker->try_lease()) append(worker);
  }
  while (leased < wanted && size_ + 1 < usable_cpus()) {
    Worker* worker = start_worker();
    if (!worker) break;  // the caller runs with the workers it has
    append(worker);
  }
  return leased;
}

// Blocks all signals while the thread starts, so that only the application's own threads handle them.
Worker* ThreadPool::start_worker() {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  Worker* started = nullptr;
  try {
    auto worker = std::make_unique<Worker>();
    worker->try_lease();
    workers_.reserve(workers_.size() + 1);
    std::thread([w = worker.get()] { w->loop(); }).detach();
    started = worker.release();
    workers_.push_back(started);
    if (workers_.size() == 1) first_.store(started, std::memory_order_release);
    size_.fetch_add(1, std::memory_order_relaxed);
  } catch (const std::exception&) {  // no thread, or no memory for one
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return started;
}

bool thread_pool_is_awake() {
  const ThreadPool* pool = ThreadPool::find();
  return pool && pool->is_awake();
}

int thread_pool_size() {
  const ThreadPool* pool = ThreadPool::find();
  return pool ? pool->size() : 0;
}

}  // namespace gatecell
