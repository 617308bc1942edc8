// Which kernel computes a cell, and the options that the kernel gets as numbers. cells.cpp has the definitions, beside
// the table of options.
#pragma once

#include "gatecell/spec.h"
#include "kernels/table.h"

namespace gatecell {

CellKernel cell_kernel(const Spec& spec);

template <class T>
void set_numbers(const Spec& spec, ExtendedArgs<T>& args);

}  // namespace gatecell
