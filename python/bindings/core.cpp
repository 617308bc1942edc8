// The module gatecell._core: arrays in, arrays out. The Python package does the rest: defaults, conversions and most
// error messages.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "gatecell/build_info.h"
#include "gatecell/network.h"
#include "register.h"
#include "runtime/instruction_sets.h"
#include "runtime/test_hooks.h"

namespace py = pybind11;
using namespace py::literals;

PYBIND11_MODULE(_core, m) {
  m.doc() = "The C++ core of gatecell.";
  register_spec(m);
  register_networks(m);
  register_fast_call(m);
  register_streams(m);
  register_pools(m);
  register_tensor(m);

  m.def(
      "available_isas",
      [] {
        py::list names;
        for (const gatecell::Isa isa : gatecell::available_isas()) names.append(gatecell::name(isa));
        return py::typing::List<py::str>(names);
      },
      "The instruction sets that this machine can run, best first.");
  m.def(
      "build_info",
      [] {
        const gatecell::BuildInfo info = gatecell::build_info();
        py::dict isas;
        for (const auto& [name, flags] : info.isas) isas[py::str(name)] = flags;
        py::list fused;
        for (const gatecell::InstructionSet& row : gatecell::instruction_sets()) {
          if (row.is_fused && gatecell::find_kernels(row.isa)) fused.append(row.name);
        }
        py::dict result;
        result["version"] = info.version;
        result["commit"] = info.commit;
        result["compiler"] = info.compiler;
        result["eigen"] = info.eigen;
        result["arithmetic"] = info.arithmetic;
        result["isas"] = isas;
        result["fused"] = fused;
        return py::typing::Dict<py::str, py::object>(result);
      },
      "How the core was built: version, commit, compiler, eigen, arithmetic, isas, which maps names to compiler flags, "
      "and fused, the names of those with fused multiply-add. They all give the same bits. arithmetic is the version "
      "of the order of summation and of the activations: builds with the same version give the same bits.");
  m.def(
      "instruction_sets",
      [] {
        py::dict table;
        for (const gatecell::InstructionSet& row : gatecell::instruction_sets()) {
          table[row.name] = py::dict("vector_bytes"_a = row.vector_bytes, "is_fused"_a = row.is_fused,
                                     "cpu_features"_a = py::str(row.cpu_features).attr("split")(),
                                     "is_built"_a = gatecell::find_kernels(row.isa) != nullptr);
        }
        return py::typing::Dict<py::str, py::typing::Dict<py::str, py::object>>(table);
      },
      "All instruction sets by name, of every architecture, the better ones of an architecture first: vector_bytes, "
      "is_fused (has fused multiply-add), cpu_features (as /proc/cpuinfo names them), is_built.");
  m.def("pack_count", &gatecell::pack_count, "How often this process has packed weights.");
  m.def("thread_pool_size", &gatecell::thread_pool_size, "The number of worker threads that this process has started.");
}
