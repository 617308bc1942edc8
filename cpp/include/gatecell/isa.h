// Instruction sets that this library has kernels for, and which of them this machine can run.
#pragma once

#include <string>
#include <vector>

namespace gatecell {

enum class Isa { sse2, avx2, avx512, neon };

// "sse2", "avx2", "avx512", "neon".
const char* name(Isa isa);

// Built in, supported by the CPU and enabled by the operating system; best first, never empty.
const std::vector<Isa>& available_isas();

// Throws std::invalid_argument, listing what exists, for an unknown name or one this machine cannot run.
Isa parse_isa(const std::string& name);

}  // namespace gatecell
