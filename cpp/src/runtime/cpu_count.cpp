#include "runtime/cpu_count.h"

#include <sched.h>

#include <algorithm>
#include <atomic>

#include "runtime/test_hooks.h"

namespace gatecell {
namespace {

std::atomic<int> pretended_cpus{0};

}  // namespace

void pretend_cpus(int count) { pretended_cpus = count; }

int usable_cpus() {
  if (const int pretended = pretended_cpus.load(std::memory_order_relaxed)) return pretended;
  // One cpu_set_t holds 1,024 CPUs. The kernel rejects a mask that is shorter than its own.
  cpu_set_t sets[16];
  return sched_getaffinity(0, sizeof(sets), sets) == 0 ? std::max(1, CPU_COUNT_S(sizeof(sets), sets)) : 1;
}

}  // namespace gatecell
