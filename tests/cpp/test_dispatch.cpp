// Checks that the name of each ISA selects the object that was compiled for it. The object contains its own name.
#include <doctest/doctest.h>

#include <string>
#include <tuple>

#include "gatecell/build_info.h"
#include "runtime/dispatch.h"
#include "runtime/instruction_sets.h"

using gatecell::Isa;

TEST_CASE("the kernels of an ISA come from the object of this ISA") {
  for (const Isa isa : gatecell::built_isas()) {
    const auto& table = gatecell::kernel_table(isa);
    CHECK(std::string(table.isa) == gatecell::name(isa));
    CHECK(table.float32.lanes == gatecell::info(isa).vector_bytes / 4);
    CHECK(table.float64.lanes ==
          (sizeof(void*) == 4 ? 1 : table.float32.lanes / 2));  // 32-bit ARM has no vectors of double
  }
}

TEST_CASE_TEMPLATE("every instruction set has all kernels", T, float, double) {
  for (const Isa isa : gatecell::built_isas()) {
    const auto& table = gatecell::kernel_table(isa);
    const gatecell::Kernels<T>& kernels = std::get<const gatecell::Kernels<T>&>(std::tie(table.float32, table.float64));
    CHECK((kernels.sigmoid != nullptr));
    CHECK((kernels.tanh != nullptr));
    CHECK(kernels.weight_types[static_cast<int>(gatecell::WeightType::native)].format.weight_bytes == sizeof(T));
    for (const gatecell::WeightKernels<T>& type : kernels.weight_types) {
      if (type.format.weight_bytes == 0) continue;  // T has no kernels for this weight type
      CHECK(type.format.lanes == kernels.lanes);
      CHECK((type.project_hidden != nullptr));
      for (const gatecell::CellKernels<T>& cell : type.cells) {
        CHECK((cell.project != nullptr));
        CHECK((cell.step != nullptr));
      }
    }
  }
}

TEST_CASE("each ISA has a name that parse_isa reads; the list begins with the best") {
  const auto& isas = gatecell::available_isas();
  REQUIRE(!isas.empty());
  CHECK(isas.back() == gatecell::built_isas().back());
  for (const Isa isa : isas) CHECK(gatecell::parse_isa(gatecell::name(isa)) == isa);
  for (std::size_t i = 1; i < isas.size(); ++i) CHECK(isas[i - 1] > isas[i]);
}

TEST_CASE("build_info has the name and the flags of every ISA") {
  const auto info = gatecell::build_info();
  REQUIRE(info.isas.size() == gatecell::built_isas().size());
  for (std::size_t i = 0; i < info.isas.size(); ++i) {
    const auto& [name, flags] = info.isas[i];
    const Isa isa = gatecell::built_isas()[i];  // this machine may not be able to run it
    CHECK(name == gatecell::name(isa));
    const std::string features = gatecell::info(isa).cpu_features;
    for (const std::string feature : {"fma", "avx2", "avx512f"}) {
      CAPTURE(gatecell::name(isa));
      CAPTURE(feature);
      CHECK((flags.find("-m" + feature) != std::string::npos) == (features.find(feature) != std::string::npos));
    }
  }
}
