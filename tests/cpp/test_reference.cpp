// Compares the reference implementation with PyTorch: float64 within rounding, float32 with the error bound of
// promise 1.
#include <doctest/doctest.h>

#include "golden.h"
#include "problems.h"
#include "reference.h"

TEST_CASE("the reference gives PyTorch's results") {
  const auto files = golden::files();
  REQUIRE(files.size() >= 8);
  for (const auto& path : files) {
    CAPTURE(path.filename());
    const auto golden = golden::read(path);
    const auto torch = golden::output(golden, "");
    CHECK(problems::largest_difference(reference::forward<double>(golden::problem<double>(golden)), torch) < 1e-14);

    const double own_error = problems::largest_difference(golden::output(golden, "_float32"), torch);
    const auto rounded = reference::forward<float>(golden::problem<float>(golden));
    CHECK(problems::error_ratio(rounded, torch, own_error) <= 1);
    CHECK(own_error < 1e-4);
  }
}
