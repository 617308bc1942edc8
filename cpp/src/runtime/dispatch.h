// From an ISA to its kernels.
#pragma once

#include "gatecell/isa.h"
#include "kernels/table.h"

namespace gatecell {

const KernelTable& kernel_table(Isa isa);

}  // namespace gatecell
