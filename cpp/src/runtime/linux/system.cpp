#include "runtime/system.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <thread>

namespace gatecell::system {
namespace {

static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t),
              "the kernel reads the memory of the atomic as a plain word");

void futex(const std::atomic<std::uint32_t>& word, int operation, std::uint32_t value) {
  syscall(SYS_futex, &word, operation, value, nullptr, nullptr, 0);
}

// One cpu_set_t holds 1,024 CPUs. The kernel rejects a mask that is shorter than its own.
struct CpuMask {
  cpu_set_t sets[16];
};

void take_affinity_of_process() {
  CpuMask mask;
  if (sched_getaffinity(getpid(), sizeof(mask), mask.sets) == 0) sched_setaffinity(0, sizeof(mask), mask.sets);
}

// Blocks all signals of the calling thread. A thread that it starts meanwhile begins with the same mask.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

}  // namespace

void wait(const std::atomic<std::uint32_t>& word, std::uint32_t value) { futex(word, FUTEX_WAIT_PRIVATE, value); }

void wake_all(const std::atomic<std::uint32_t>& word) { futex(word, FUTEX_WAKE_PRIVATE, INT_MAX); }

void* map_pages(std::size_t bytes) {
  void* pages = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return pages == MAP_FAILED ? nullptr : pages;
}

void unmap_pages(void* pages, std::size_t bytes) { munmap(pages, bytes); }

void request_huge_pages(void* begin, std::size_t bytes) { madvise(begin, bytes, MADV_HUGEPAGE); }

int usable_cpus() {
  CpuMask mask;
  return sched_getaffinity(0, sizeof(mask), mask.sets) == 0 ? std::max(1, CPU_COUNT_S(sizeof(mask), mask.sets)) : 1;
}

int first_usable_cpu() {
  CpuMask mask;
  if (sched_getaffinity(0, sizeof(mask), mask.sets) != 0) return 0;
  for (unsigned cpu = 0; cpu < 8 * sizeof(mask); ++cpu) {
    if (CPU_ISSET_S(cpu, sizeof(mask), mask.sets)) return static_cast<int>(cpu);
  }
  return 0;
}

void start_thread(void (*run)(void*), void* argument) {
  const SignalsBlocked blocked;
  std::thread([=] {
    take_affinity_of_process();
    run(argument);
  }).detach();
}

bool call_after_fork(void (*f)()) { return pthread_atfork(nullptr, nullptr, f) == 0; }

}  // namespace gatecell::system
