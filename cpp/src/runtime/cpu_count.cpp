#include "runtime/cpu_count.h"

#include <atomic>

#include "runtime/system.h"
#include "runtime/test_hooks.h"

namespace gatecell {
namespace {

std::atomic<int> pretended_cpus{0};

}  // namespace

void pretend_cpus(int count) { pretended_cpus = count; }

int usable_cpus() {
  const int pretended = pretended_cpus.load(std::memory_order_relaxed);
  return pretended ? pretended : system::usable_cpus();
}

}  // namespace gatecell
