#include "runtime/machine.h"

#ifdef __x86_64__
#include <cpuid.h>
#endif

#include <algorithm>
#include <cstring>

#include "constants.h"
#include "runtime/test_hooks.h"

namespace gatecell {
namespace {

Processor this_processor() {
  Processor found;
#ifdef __x86_64__
  unsigned a = 0, b = 0, c = 0, d = 0;
  __get_cpuid(0, &a, &b, &c, &d);
  char vendor[12];
  std::memcpy(vendor, &b, 4);
  std::memcpy(vendor + 4, &d, 4);
  std::memcpy(vendor + 8, &c, 4);
  found.vendor.assign(vendor, 12);
  __get_cpuid(1, &a, &b, &c, &d);
  found.family = (a >> 8 & 0xf) + (a >> 20 & 0xff);
  found.model = (a >> 4 & 0xf) + (a >> 12 & 0xf0);
#endif
  return found;
}

bool is_amd(const Processor& p, unsigned family) { return p.vendor == "AuthenticAMD" && p.family == family; }

Rates per_second(double gflops, double l1, double l2, double l3, double memory) {
  return {1e-9 / gflops, 1e-9 / l1, 1e-9 / l2, 1e-9 / l3, 1e-9 / memory};
}

system::Caches read_caches() {
  system::Caches found = system::caches("", system::first_usable_cpu());
  // A container may hide the caches. Chosen: small ones. Without an L3 cache, L2 is the last one before memory.
  const bool described = found.l2 > 0;
  if (!found.l1) found.l1 = 32 << 10;
  if (!described) found.l2 = 256 << 10;
  if (!found.l3) found.l3 = described ? found.l2 : 8 << 20;
  return found;
}

system::Caches pretended_caches;

}  // namespace

// GFLOP/s, and GB/s from L1, L2, L3 and memory. Measured with bench/suite/machine.cpp on virtual machines: Zen 5, Zen 4
// and Zen 3. Reasoned: Zen 2 (family 23, model 0x30 and above) is as Zen 3, which has the same units (AMD, Software
// Optimization Guides for families 17h and 19h). SSE2 on Zen 3 is half of AVX2 where units limit. Intel: two
// multiply-add units and two loads at 3 GHz, L2 with 48 of its 64 bytes per cycle (Intel, Optimization Reference
// Manual, table 2-4), L3 and memory chosen. Arm: expected of a Neoverse N1.
const std::vector<Core>& cores() {
  static const std::vector<Core> table = {
      {"Zen 5",
       [](const Processor& p) { return is_amd(p, 26); },
       {{Isa::avx512, per_second(230, 450, 190, 115, 30)},
        {Isa::avx2, per_second(115, 230, 130, 95, 30)},
        {Isa::sse2, per_second(42, 110, 80, 80, 30)}}},
      {"Zen 4",
       [](const Processor& p) {
         return is_amd(p, 25) && ((p.model >= 0x10 && p.model < 0x20) || (p.model >= 0x60 && p.model < 0x80) ||
                                  (p.model >= 0xa0 && p.model < 0xb0));
       },
       {{Isa::avx512, per_second(117, 218, 120, 97, 32)},
        {Isa::avx2, per_second(117, 218, 119, 98, 32)},
        {Isa::sse2, per_second(42, 115, 115, 98, 32)}}},
      {"Zen 3",
       [](const Processor& p) { return is_amd(p, 25) || (is_amd(p, 23) && p.model >= 0x30); },
       {{Isa::avx2, per_second(100, 148, 91, 70, 22)}, {Isa::sse2, per_second(36, 74, 74, 70, 22)}}},
      {"any of x86",
       [](const Processor& p) { return !p.vendor.empty(); },
       {{Isa::avx512, per_second(190, 380, 144, 30, 12)},
        {Isa::avx2, per_second(96, 190, 144, 30, 12)},
        {Isa::sse2, per_second(36, 96, 96, 30, 12)}}},
      {"any of Arm", [](const Processor&) { return true; }, {{Isa::neon, per_second(40, 80, 40, 20, 12)}}},
  };
  return table;
}

const Rates& rates(const Processor& processor, Isa isa) {
  for (const Core& core : cores()) {
    const auto found =
        std::find_if(core.rates.begin(), core.rates.end(), [&](const CoreRates& row) { return row.isa == isa; });
    if (found != core.rates.end() && core.is(processor)) return found->rates;
  }
  return cores().back().rates.front().rates;
}

const Rates& rates(Isa isa) {
  static const Processor processor = this_processor();
  return rates(processor, isa);
}

void pretend_caches(const system::Caches& caches) { pretended_caches = caches; }

Caches caches() {
  static const system::Caches found = read_caches();
  const system::Caches& of = pretended_caches.l1 ? pretended_caches : found;
  return {kL1Share * static_cast<double>(of.l1), kL2Share * static_cast<double>(of.l2), static_cast<double>(of.l3),
          of.l2_cores, of.l3_cores};
}

}  // namespace gatecell
