// How this library was built.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace gatecell {

struct BuildInfo {
  std::string version;  // of this library
  std::string commit;   // git commit, or "unknown" outside a checkout
  std::string compiler;
  std::string eigen;                                      // version of Eigen
  int arithmetic;                                         // version of the arithmetic: equal versions give equal bits
  std::vector<std::pair<std::string, std::string>> isas;  // name and compiler flags of each one, best first
};

BuildInfo build_info();

}  // namespace gatecell
