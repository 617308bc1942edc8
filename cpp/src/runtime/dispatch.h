// Finds the kernels of an ISA.
#pragma once

#include "gatecell/isa.h"
#include "kernels/table.h"

namespace gatecell {

// The ISAs that are built in, best first. The last one is the baseline, which every CPU of this architecture has.
#ifdef GATECELL_AVX
constexpr Isa built_isas[] = {Isa::avx512, Isa::avx2, Isa::GATECELL_BASELINE};
#else
constexpr Isa built_isas[] = {Isa::GATECELL_BASELINE};
#endif

// The kernels of a built ISA.
const KernelTable& kernel_table(Isa isa);

}  // namespace gatecell
