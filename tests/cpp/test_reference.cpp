// Compares the reference implementation with PyTorch: float64 within rounding, float32 with the error bound of
// promise 1. Shows that it implements every option of extended cells.
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

// So a test that compares with the reference notices an option that the library ignores. An option with weights of its
// own has other weights than its default, so that results cannot be compared.
TEST_CASE("every option changes the results of the reference") {
  using namespace problems;
  for (const Spec& spec : extended_specs("I=5 H=19 L=2")) {
    const auto output = reference::forward<double>(random_problem<double>(spec, 6, 9));
    for (const Option& option : gatecell::options()) {
      const auto plain = random_problem<double>(with(spec, option, 0), 6, 9);
      if (option.get(spec) == 0 || plain.weights != random_problem<double>(spec, 6, 9).weights) continue;
      CAPTURE(describe(spec));
      CAPTURE(option.name);
      CHECK(!same_bits(reference::forward<double>(plain), output));
    }
  }
}
