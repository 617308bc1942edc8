#include "schedule/team.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "gatecell/network.h"
#include "runtime/fp_mode.h"

namespace gatecell {
namespace {

// Calls follow each other within microseconds in a loop; a worker that waits this long for the next one saves the
// 11 us that waking it costs. Idle must cost nothing: asleep within 50 us of a call's return.
constexpr std::chrono::microseconds kSpinForWork{30};
constexpr std::chrono::microseconds kSpinForWorker{50};

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kFlagHolds{1};
constexpr double kHopefulFlag = 150e-9;

}  // namespace

class Worker {
 public:
  bool claim() {
    bool idle = false;
    return !claimed_.load(std::memory_order_relaxed) &&
           claimed_.compare_exchange_strong(idle, true, std::memory_order_acquire);
  }
  void release() { claimed_.store(false, std::memory_order_release); }
  bool is_claimed() const { return claimed_.load(std::memory_order_relaxed); }
  Worker* next() const { return next_; }
  void set_next(Worker* next) { next_ = next; }
  bool is_awake() const { return running_.load(std::memory_order_relaxed) && !go_.has_sleepers(); }

  // Only when done with the job before.
  void start(void (*job)(void*, int), void* context, int part) {
    job_ = job;
    context_ = context;
    part_ = part;
    go_.raise(++started_);
  }
  bool is_done() const { return done_.value() == started_; }
  void wait() const { done_.wait_for(started_, kSpinForWorker); }

  void loop() {
    // Not the affinity of whichever caller happened to start this thread: that of the process.
    cpu_set_t sets[16];
    if (sched_getaffinity(getpid(), sizeof(sets), sets) == 0) sched_setaffinity(0, sizeof(sets), sets);
    running_.store(true, std::memory_order_relaxed);
    for (std::uint32_t turn = 1;; ++turn) {
      // Who woke it may have finished alone and gone: then nobody's next call is near.
      go_.wait_for(turn, is_claimed() ? kSpinForWork : std::chrono::microseconds{0});
      {
        const FpMode mode;
        job_(context_, part_);
      }
      done_.raise(turn);
    }
  }

 private:
  Flag go_, done_;  // number of jobs given, number of jobs finished
  alignas(kCacheLine) std::atomic<bool> claimed_{false};
  std::atomic<bool> running_{false};
  // Owned by the claim:
  std::uint32_t started_ = 0;
  Worker* next_ = nullptr;
  void (*job_)(void*, int) = nullptr;
  void* context_ = nullptr;
  int part_ = 0;
};

namespace {

// Grows, never shrinks, and is never destroyed: its threads may outlive main().
class Team {
 public:
  // A list of at most `wanted` workers, and their number.
  int claim(int wanted, Worker*& first) {
    const std::lock_guard<std::mutex> lock(mutex_);
    int claimed = 0;
    const auto add = [&](Worker* worker) {
      worker->set_next(first);
      first = worker;
      ++claimed;
    };
    for (Worker* worker : workers_) {
      if (claimed == wanted) return claimed;
      if (worker->claim()) add(worker);
    }
    while (claimed < wanted && size_ + 1 < usable_cpus()) {
      Worker* worker = start_worker();
      if (!worker) break;  // the caller runs with what it has
      add(worker);
    }
    return claimed;
  }

  int size() const { return size_.load(std::memory_order_relaxed); }

  bool is_awake() const {
    const Worker* first = first_.load(std::memory_order_acquire);
    return first && !first->is_claimed() && first->is_awake();
  }

  bool flag_is_known() const { return Clock::now().time_since_epoch().count() < flag_until_.load(); }
  double flag_seconds() const { return flag_seconds_.load(std::memory_order_relaxed); }
  void set_flag_seconds(double seconds) {
    flag_seconds_.store(seconds, std::memory_order_relaxed);
    flag_until_.store((Clock::now() + kFlagHolds).time_since_epoch().count());
  }

 private:
  // Born claimed. Signals stay with the application's own threads.
  Worker* start_worker() {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    Worker* started = nullptr;
    try {
      auto worker = std::make_unique<Worker>();
      worker->claim();
      workers_.reserve(workers_.size() + 1);
      std::thread([w = worker.get()] { w->loop(); }).detach();
      started = worker.release();
      workers_.push_back(started);
      if (workers_.size() == 1) first_.store(started, std::memory_order_release);
      size_.fetch_add(1, std::memory_order_relaxed);
    } catch (const std::exception&) {  // no more threads, or no memory for one
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return started;
  }

  std::mutex mutex_;  // taken once a call, and only by calls that want workers
  std::vector<Worker*> workers_;
  std::atomic<Worker*> first_{nullptr};
  std::atomic<int> size_{0};
  std::atomic<double> flag_seconds_{kHopefulFlag};
  std::atomic<Clock::rep> flag_until_{Clock::time_point::min().time_since_epoch().count()};
};

std::atomic<Team*> team_of_process{nullptr};
std::atomic<int> pretended_cpus{0};

// In a forked child the threads are gone and one of them may have held the mutex: forget the team, leak it.
[[maybe_unused]] const int at_fork = pthread_atfork(nullptr, nullptr, [] { team_of_process.store(nullptr); });

Team& team() {
  Team* found = team_of_process.load(std::memory_order_acquire);
  if (found) return *found;
  auto fresh = std::make_unique<Team>();
  if (team_of_process.compare_exchange_strong(found, fresh.get(), std::memory_order_acq_rel)) return *fresh.release();
  return *found;
}

}  // namespace

Claim::Claim(int wanted) {
  if (wanted > 0) size_ = team().claim(wanted, first_);
}

Claim::~Claim() {
  for (Worker* worker = first_; worker;) {
    Worker* const next = worker->next();  // released, it may be another's
    worker->release();
    worker = next;
  }
}

template <class F>
bool Claim::all(const F& f) const {
  for (const Worker* worker = first_; worker; worker = worker->next()) {
    if (!f(*worker)) return false;
  }
  return true;
}

bool Claim::is_awake() const {
  return all([](const Worker& worker) { return worker.is_awake(); });
}

void Claim::wake() {
  for (Worker* worker = first_; worker; worker = worker->next()) {
    if (worker->is_done()) worker->start([](void*, int) {}, nullptr, 0);
  }
}

bool Claim::has_woken() const {
  return all([](const Worker& worker) { return worker.is_done(); });
}

void Claim::run(int parts, void (*job)(void*, int), void* context) {
  Worker* worker = first_;
  for (int part = 1; part < parts; ++part, worker = worker->next()) {
    worker->wait();  // it may still be waking up
    worker->start(job, context, part);
  }
  job(context, 0);
  worker = first_;
  for (int part = 1; part < parts; ++part, worker = worker->next()) worker->wait();
}

void refresh_flag_round_trip(Claim& claim) {
  if (team().flag_is_known()) return;
  struct Rally {
    Flag there, back;
    double seconds = 1;
  } rally;
  claim.run(
      2,
      [](void* context, int part) {
        Rally& r = *static_cast<Rally*>(context);
        // The worker gets its job in the first batch; the best of the others counts.
        constexpr std::uint32_t batches = 5, rounds = 8, last = batches * rounds;
        // By then a moment's disturbance is over, or else the other CPU is busy with something else.
        constexpr std::chrono::microseconds patience{200};
        Clock::time_point begin;
        for (std::uint32_t batch = 0, i = 1; batch < batches; ++batch) {
          const Clock::time_point start = Clock::now();
          for (const std::uint32_t end = i + rounds; i < end; ++i) {
            if (part == 0) r.there.raise(i);
            (part == 0 ? r.back : r.there).wait_for(i, kSpinForWorker);
            if (part == 1) r.back.raise(i);
          }
          const double seconds = std::chrono::duration<double>(Clock::now() - start).count() / rounds;
          if (batch == 0) begin = Clock::now();
          if (part == 1 || batch == 0) continue;
          r.seconds = std::min(r.seconds, seconds);
          if (Clock::now() - begin > patience) return r.there.raise(last);  // the worker passes all the others
        }
      },
      &rally);
  team().set_flag_seconds(rally.seconds);
}

bool team_is_awake() {
  const Team* found = team_of_process.load(std::memory_order_acquire);
  return found && found->is_awake();
}

double flag_round_trip() {
  const Team* found = team_of_process.load(std::memory_order_acquire);
  return found && found->flag_is_known() ? found->flag_seconds() : kHopefulFlag;
}

void pretend_cpus(int count) { pretended_cpus = count; }

int usable_cpus() {
  if (const int pretended = pretended_cpus.load(std::memory_order_relaxed)) return pretended;
  cpu_set_t sets[16];  // one holds 1,024 CPUs, and the kernel refuses a mask shorter than its own
  return sched_getaffinity(0, sizeof(sets), sets) == 0 ? std::max(1, CPU_COUNT_S(sizeof(sets), sets)) : 1;
}

int team_size() {
  const Team* found = team_of_process.load(std::memory_order_acquire);
  return found ? found->size() : 0;
}

}  // namespace gatecell
