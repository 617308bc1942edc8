#include "gatecell/build_info.h"

#include "arithmetic.h"
#include "gatecell/version.h"
#include "runtime/dispatch.h"

namespace gatecell {
namespace {

#ifdef __clang__
constexpr const char* kCompiler = "Clang " __clang_version__;
#else
constexpr const char* kCompiler = "GCC " __VERSION__;
#endif

}  // namespace

BuildInfo build_info() {
  BuildInfo info{
      GATECELL_VERSION, GATECELL_COMMIT, kCompiler, kernel_table(built_isas().front()).eigen, kArithmeticVersion, {}};
  for (const Isa isa : built_isas()) info.isas.emplace_back(name(isa), kernel_table(isa).flags);
  return info;
}

}  // namespace gatecell
