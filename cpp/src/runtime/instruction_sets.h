// The table of instruction sets: everything that differs between them outside the kernels.
#pragma once

#include <vector>

#include "gatecell/isa.h"
#include "kernels/table.h"

namespace gatecell {

// The features of an x86 CPU: bits of CPUID (leaf 1 ecx, leaf 7 ebx) and of XCR0, which says what registers the
// operating system saves.
struct X86Features {
  unsigned leaf1_ecx = 0, leaf7_ebx = 0, xcr0 = 0;
};

struct InstructionSet {
  Isa isa;
  const char* name;
  int vector_bytes;          // of a vector register
  bool is_fused;             // has fused multiply-add. All such sets give the same bits
  const char* cpu_features;  // that it needs, as /proc/cpuinfo names them
  X86Features x86;           // the same for CPUID
};

// All instruction sets, of every architecture, the better ones of an architecture first.
const std::vector<InstructionSet>& instruction_sets();
const InstructionSet& info(Isa isa);

// The kernels of an instruction set; null if this library is built without them.
const KernelTable* find_kernels(Isa isa);

}  // namespace gatecell
