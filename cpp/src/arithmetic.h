// The version of the arithmetic. Results have the same bits as long as the version is the same.
//
// A change of the order of summation or of an activation gives other bits, and raises the version. The hashes in
// tests/cpp/test_hashes.cpp belong to one version.
//
//   1  Each pre-activation is one chain of multiply-adds (gatecell/spec.h).
//   2  The products of each matrix are summed in sections of kSection products. The first section continues the chain;
//      each further section is a chain from zero, which is then added to the total. So the rounding error of wide
//      layers grows more slowly. Matrices with at most kSection columns have the bits of version 1. Sections of 256
//      products are as fast as sections of 1,024 (Zen 4, H = 512 and 1024, 4 to 32 rows: within 2 %).
#pragma once

#include <cstddef>

namespace gatecell {

constexpr int kArithmeticVersion = 2;
constexpr std::ptrdiff_t kSection = 256;  // products; the same for every type of number

}  // namespace gatecell
