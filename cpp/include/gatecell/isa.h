// The instruction sets that this library has kernels for, and those that this machine can run.
#pragma once

#include <string>
#include <vector>

namespace gatecell {

enum class Isa { sse2, avx2, avx512, neon };

// "avx2" for Isa::avx2, and so on. The table in src/runtime/instruction_sets.cpp has the names.
const char* name(Isa isa);

// The instruction sets that are built in, supported by the CPU and enabled by the operating system. Best first, never
// empty.
const std::vector<Isa>& available_isas();

// Throws std::invalid_argument for an unknown name and for a set that this machine cannot run. The message lists the
// valid names.
Isa parse_isa(const std::string& name);

}  // namespace gatecell
