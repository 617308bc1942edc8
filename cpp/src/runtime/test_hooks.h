// Functions that only tests call. Each is defined in the file that owns what it reads or sets.
#pragma once

#include <cstdint>

#include "runtime/system.h"

namespace gatecell {

// How often this process has packed weights. A test shows with it that calls never pack. (pack/packed.cpp)
std::int64_t pack_count();

// The number of worker threads that this process has started. (schedule/thread_pool.cpp)
int thread_pool_size();

// Makes usable_cpus() return `count`, so that tests run more threads than this machine has CPUs. 0 ends this.
// (runtime/cpu_count.cpp)
void pretend_cpus(int count);

// Makes caches() return these caches, for networks that are packed and planned afterwards. Caches of size 0 end this.
// (runtime/machine.cpp)
void pretend_caches(const system::Caches& caches);

}  // namespace gatecell
