// From an ISA to its kernels.
#pragma once

#include "gatecell/isa.h"
#include "kernels/table.h"

namespace gatecell {

// Compiled in, best first; this machine need not have all of them.
#ifdef __x86_64__
constexpr Isa built_isas[] = {Isa::avx512, Isa::avx2, Isa::sse2};
#else
constexpr Isa built_isas[] = {Isa::neon};
#endif

// Of one that is built.
const KernelTable& kernel_table(Isa isa);

}  // namespace gatecell
