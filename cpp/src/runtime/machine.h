// What the cost model knows of this machine: the caches, from the operating system, and how fast its cores are, from a
// table. Nothing is measured, so that neither loading nor the first call takes longer.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "gatecell/isa.h"
#include "runtime/system.h"

namespace gatecell {

// Seconds per float32 operation, and per byte from each cache and from memory, for one core.
struct Rates {
  double flop, l1_byte, l2_byte, l3_byte, memory_byte;
};

// The model of a processor, as CPUID gives it: the vendor, and family and model with their extensions.
struct Processor {
  std::string vendor;
  unsigned family = 0, model = 0;
};

struct CoreRates {
  Isa isa;
  Rates rates;
};

// A kind of core.
struct Core {
  const char* name;
  bool (*is)(const Processor&);
  std::vector<CoreRates> rates;
};

// All kinds that are known. The first one that fits is right; the last ones of each architecture fit everything.
const std::vector<Core>& cores();
const Rates& rates(const Processor& processor, Isa isa);

// The rates of an instruction set on this machine.
const Rates& rates(Isa isa);

// The caches of one core: the bytes of weights that stay in L1 and in L2 while each step reads them again, the size of
// L3, and the number of cores that share L2 and L3.
struct Caches {
  double l1, l2, l3;
  int l2_cores, l3_cores;

  // What stays in L2 if this number of threads run, each on a core of its own.
  double l2_of(int threads) const { return std::max(l1, l2 / std::min(threads, l2_cores)); }
};

// The caches of the first CPU of this process, with assumptions where the system does not describe them. Read once.
Caches caches();

}  // namespace gatecell
