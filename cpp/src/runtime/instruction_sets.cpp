#include "runtime/instruction_sets.h"

#include <algorithm>

// CMake defines GATECELL_BUILT_ISAS as X(name) for each instruction set that is built. Each object with kernels has one
// symbol.
#define X(isa) extern "C" const gatecell::KernelTable* gatecell_kernels_##isa();
GATECELL_BUILT_ISAS
#undef X

namespace gatecell {
namespace {

// Intel SDM vol. 1, 13.3 and vol. 2, CPUID.
constexpr unsigned kFma = 1u << 12, kOsxsave = 1u << 27, kAvx = 1u << 28;                     // leaf 1 ecx
constexpr unsigned kAvx2 = 1u << 5;                                                           // leaf 7 ebx
constexpr unsigned kAvx512 = (1u << 16) | (1u << 17) | (1u << 28) | (1u << 30) | (1u << 31);  // F DQ CD BW VL
constexpr unsigned kSavesYmm = 0x6, kSavesZmm = 0xe6;                                         // XCR0

}  // namespace

const std::vector<InstructionSet>& instruction_sets() {
  static const std::vector<InstructionSet> table = {
      {Isa::avx512,
       "avx512",
       64,
       true,
       "avx2 fma avx512f avx512dq avx512cd avx512bw avx512vl",
       {kFma | kOsxsave | kAvx, kAvx2 | kAvx512, kSavesZmm}},
      {Isa::avx2, "avx2", 32, true, "avx2 fma", {kFma | kOsxsave | kAvx, kAvx2, kSavesYmm}},
      {Isa::sse2, "sse2", 16, false, "sse2", {}},
      {Isa::neon, "neon", 16, true, "asimd", {}},
  };
  return table;
}

const InstructionSet& info(Isa isa) {
  const auto& table = instruction_sets();
  return *std::find_if(table.begin(), table.end(), [&](const InstructionSet& row) { return row.isa == isa; });
}

const KernelTable* find_kernels(Isa isa) {
  switch (isa) {
#define X(name)   \
  case Isa::name: \
    return gatecell_kernels_##name();
    GATECELL_BUILT_ISAS
#undef X
    default:
      return nullptr;
  }
}

}  // namespace gatecell
