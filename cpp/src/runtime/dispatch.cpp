// Detects which kernels this machine can run. The CPU must have the instructions, and the operating system must save
// the registers.
#include "runtime/dispatch.h"

#ifdef __x86_64__
#include <cpuid.h>
#endif

#include <stdexcept>

#include "runtime/instruction_sets.h"

namespace gatecell {
namespace {

X86Features features_of_this_machine() {
  X86Features found;
#ifdef __x86_64__
  constexpr unsigned osxsave = 1u << 27;  // the operating system uses XSAVE, so XCR0 exists
  unsigned a = 0, b = 0, c = 0, d = 0;
  __get_cpuid(1, &a, &b, &found.leaf1_ecx, &d);
  __get_cpuid_count(7, 0, &a, &found.leaf7_ebx, &c, &d);
  if (found.leaf1_ecx & osxsave) asm("xgetbv" : "=a"(found.xcr0), "=d"(d) : "c"(0));
#endif
  return found;
}

bool includes(unsigned found, unsigned needed) { return (found & needed) == needed; }

bool has(const X86Features& found, const X86Features& needed) {
  return includes(found.leaf1_ecx, needed.leaf1_ecx) && includes(found.leaf7_ebx, needed.leaf7_ebx) &&
         includes(found.xcr0, needed.xcr0);
}

}  // namespace

const char* name(Isa isa) { return info(isa).name; }

const std::vector<Isa>& built_isas() {
  static const std::vector<Isa> isas = [] {
    std::vector<Isa> built;
    for (const InstructionSet& row : instruction_sets()) {
      if (find_kernels(row.isa)) built.push_back(row.isa);
    }
    return built;
  }();
  return isas;
}

const std::vector<Isa>& available_isas() {
  static const std::vector<Isa> isas = [] {
    const X86Features machine = features_of_this_machine();
    std::vector<Isa> available;
    for (const Isa isa : built_isas()) {
      if (has(machine, info(isa).x86)) available.push_back(isa);
    }
    return available;
  }();
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

const KernelTable& kernel_table(Isa isa) { return *find_kernels(isa); }

}  // namespace gatecell
