#include "schedule/thread_pool.h"

#include <exception>
#include <memory>

#include "runtime/cpu_count.h"
#include "runtime/system.h"
#include "runtime/test_hooks.h"

namespace gatecell {
namespace {

std::atomic<ThreadPool*> pool_of_process{nullptr};

// In a forked child the threads are gone, and one of them may have held the mutex. The child drops the pool without
// freeing it.
[[maybe_unused]] const bool dropped = system::call_after_fork([] { pool_of_process.store(nullptr); });

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

Worker* ThreadPool::start_worker() {
  try {
    auto worker = std::make_unique<Worker>();
    worker->try_lease();
    workers_.reserve(workers_.size() + 1);
    system::start_thread([](void* started) { static_cast<Worker*>(started)->loop(); }, worker.get());
    workers_.push_back(worker.release());
  } catch (const std::exception&) {  // no thread, or no memory for one
    return nullptr;
  }
  if (workers_.size() == 1) first_.store(workers_.front(), std::memory_order_release);
  size_.fetch_add(1, std::memory_order_relaxed);
  return workers_.back();
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
