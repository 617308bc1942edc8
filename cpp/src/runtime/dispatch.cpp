// Detects which kernels this machine can run. The CPU must have the instructions, and the operating system must save
// the registers.
#include "runtime/dispatch.h"

#ifdef GATECELL_AVX
#include <cpuid.h>
#endif

#include <algorithm>
#include <stdexcept>

namespace gatecell {
namespace {

#ifdef GATECELL_AVX

// Intel SDM vol. 1, 13.3 and vol. 2, CPUID: leaf 1 ecx, leaf 7 ebx. XCR0 says which registers the operating
// system saves.
constexpr unsigned kFma = 1u << 12, kOsxsave = 1u << 27, kAvx = 1u << 28;                     // leaf 1 ecx
constexpr unsigned kAvx2 = 1u << 5;                                                           // leaf 7 ebx
constexpr unsigned kAvx512 = (1u << 16) | (1u << 17) | (1u << 28) | (1u << 30) | (1u << 31);  // F DQ CD BW VL
constexpr unsigned kSavesYmm = 0x6, kSavesZmm = 0xe6;                                         // XCR0

std::vector<Isa> detect() {
  unsigned a = 0, b = 0, c1 = 0, d = 0, b7 = 0, c = 0, xcr0 = 0;
  __get_cpuid(1, &a, &b, &c1, &d);
  __get_cpuid_count(7, 0, &a, &b7, &c, &d);
  if (c1 & kOsxsave) asm("xgetbv" : "=a"(xcr0), "=d"(d) : "c"(0));

  std::vector<Isa> found = {Isa::GATECELL_BASELINE};
  const bool avx2 = (c1 & kFma) && (c1 & kAvx) && (b7 & kAvx2) && (xcr0 & kSavesYmm) == kSavesYmm;
  if (avx2) found.insert(found.begin(), Isa::avx2);
  if (avx2 && (b7 & kAvx512) == kAvx512 && (xcr0 & kSavesZmm) == kSavesZmm) found.insert(found.begin(), Isa::avx512);
  return found;
}

#else

std::vector<Isa> detect() { return {Isa::GATECELL_BASELINE}; }

#endif

}  // namespace

const char* name(Isa isa) {
  switch (isa) {
    case Isa::neon:
      return "neon";
    case Isa::avx512:
      return "avx512";
    case Isa::avx2:
      return "avx2";
    case Isa::sse2:
      break;
  }
  return "sse2";
}

const std::vector<Isa>& available_isas() {
  static const std::vector<Isa> isas = detect();
  return isas;
}

Isa parse_isa(const std::string& wanted) {
  std::string list;
  for (const Isa isa : available_isas()) {
    if (wanted == name(isa)) return isa;
    list += std::string(list.empty() ? "" : ", ") + name(isa);
  }
  throw std::invalid_argument("expected an instruction set of this machine (" + list + "), got '" + wanted + "'");
}

#define GATECELL_JOIN(a, b) a##b
#define GATECELL_KERNELS(isa) GATECELL_JOIN(gatecell_kernels_, isa)

const KernelTable& kernel_table([[maybe_unused]] Isa isa) {
#ifdef GATECELL_AVX
  if (isa == Isa::avx512) return *gatecell_kernels_avx512();
  if (isa == Isa::avx2) return *gatecell_kernels_avx2();
#endif
  return *GATECELL_KERNELS(GATECELL_BASELINE)();
}

}  // namespace gatecell
