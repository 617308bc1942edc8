// From an ISA to its kernels.
#pragma once

#include "gatecell/isa.h"
#include "kernels/table.h"

namespace gatecell {

// Compiled in, best first; the last one, the baseline, every CPU of this kind has.
#ifdef GATECELL_AVX
constexpr Isa built_isas[] = {Isa::avx512, Isa::avx2, Isa::GATECELL_BASELINE};
#else
constexpr Isa built_isas[] = {Isa::GATECELL_BASELINE};
#endif

// Of one that is built.
const KernelTable& kernel_table(Isa isa);

}  // namespace gatecell
