#include "gatecell/build_info.h"

#include "gatecell/version.h"
#include "kernels/table.h"

namespace gatecell {
namespace {

#ifdef __clang__
constexpr const char* kCompiler = "Clang " __clang_version__;
#else
constexpr const char* kCompiler = "GCC " __VERSION__;
#endif

}  // namespace

BuildInfo build_info() {
  return {GATECELL_VERSION,
          GATECELL_COMMIT,
          kCompiler,
          gatecell_kernels_sse2()->eigen,
          {{"avx512", gatecell_kernels_avx512()->flags},
           {"avx2", gatecell_kernels_avx2()->flags},
           {"sse2", gatecell_kernels_sse2()->flags}}};
}

}  // namespace gatecell
