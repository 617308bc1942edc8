// Finds the kernels of an ISA.
#pragma once

#include <vector>

#include "gatecell/isa.h"
#include "kernels/table.h"

namespace gatecell {

// The ISAs that are built in, best first. The last one is the baseline, which every CPU of this architecture has.
const std::vector<Isa>& built_isas();

// The kernels of a built ISA.
const KernelTable& kernel_table(Isa isa);

}  // namespace gatecell
