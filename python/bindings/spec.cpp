// Spec by names: the tables of cells and options of the core, for the Python package.
#include "spec.h"

#include <pybind11/stl.h>
#include <pybind11/typing.h>

#include <limits>
#include <stdexcept>
#include <string>

#include "gatecell/network.h"
#include "register.h"

namespace py = pybind11;
using namespace py::literals;

namespace {

using gatecell::Option;
using gatecell::Spec;

using Values = py::typing::Dict<std::string, py::object>;
using Shape = py::typing::Tuple<int, py::ellipsis>;

const Option* find_option(const std::string& name) {
  for (const Option& option : gatecell::options()) {
    if (name == option.name) return &option;
  }
  return nullptr;
}

// The value of an option as the core has it. A flag is a bool, a choice is a str, a bound is a float.
double parse_value(const Option& option, const py::handle& value) {
  if (option.kind == Option::Kind::flag && py::isinstance<py::bool_>(value)) return value.cast<bool>();
  if (option.kind == Option::Kind::bound && (PyFloat_Check(value.ptr()) || PyLong_CheckExact(value.ptr()))) {
    const double number = PyFloat_AsDouble(value.ptr());
    if (number != -1 || !PyErr_Occurred()) return number;
    PyErr_Clear();  // an int beyond the largest double
    return std::numeric_limits<double>::infinity();
  }
  for (std::size_t i = 0; i < option.choices.size(); ++i) {
    if (py::isinstance<py::str>(value) && value.cast<std::string>() == option.choices[i]) return static_cast<double>(i);
  }
  const std::string expected = option.kind == Option::Kind::flag     ? "True or False"
                               : option.kind == Option::Kind::choice ? gatecell::one_of(option.choices)
                                                                     : "a number";
  throw std::invalid_argument("expected " + std::string(option.name) + " " + expected + ", got " +
                              py::repr(value).cast<std::string>());
}

py::object value_of(const Option& option, double value) {
  switch (option.kind) {
    case Option::Kind::flag:
      return py::bool_(value != 0);
    case Option::Kind::choice:
      return py::str(option.choices[static_cast<std::size_t>(value)]);
    case Option::Kind::bound:
      break;
  }
  return py::float_(value);
}

Spec make_spec(const std::string& cell, std::int64_t input_size, std::int64_t hidden_size, std::int64_t num_layers,
               bool bias, bool bidirectional, std::int64_t proj_size, const py::KWArgs<py::object>& values) {
  Spec spec;
  spec.cell = gatecell::parse_cell(cell);
  spec.input_size = input_size;
  spec.hidden_size = hidden_size;
  spec.num_layers = num_layers;
  spec.bias = bias;
  spec.bidirectional = bidirectional;
  spec.proj_size = proj_size;
  for (const auto& [key, value] : values) {
    const auto name = key.cast<std::string>();
    const Option* const option = find_option(name);
    if (!option) throw py::type_error("Spec has no option '" + name + "'");
    option->set(spec, parse_value(*option, value));
  }
  gatecell::validate(spec);
  return spec;
}

Values options_of(const Spec& spec) {
  Values values;
  for (const Option& option : gatecell::options()) values[option.name] = value_of(option, option.get(spec));
  return values;
}

// All fields by name: what the constructor takes.
Values fields(const Spec& spec) {
  Values values("cell"_a = gatecell::info(spec.cell).name, "input_size"_a = spec.input_size,
                "hidden_size"_a = spec.hidden_size, "num_layers"_a = spec.num_layers, "bias"_a = spec.bias,
                "bidirectional"_a = spec.bidirectional, "proj_size"_a = spec.proj_size);
  values.attr("update")(options_of(spec));
  return values;
}

py::typing::Dict<std::string, Shape> shapes(const Spec& spec) {
  py::typing::Dict<std::string, Shape> found;
  for (std::int64_t layer = 0; layer < spec.num_layers; ++layer) {
    for (int direction = 0; direction < spec.num_directions(); ++direction) {
      for (const auto& [name, shape] : gatecell::weight_shapes(spec, layer)) {
        found[py::str(name + spec_names::suffix(layer, direction))] = py::tuple(py::cast(shape));
      }
    }
  }
  return found;
}

std::size_t packed_nbytes(const Spec& spec, const std::string& dtype, const std::string& isa) {
  const gatecell::Isa parsed = gatecell::parse_isa(isa);
  if (dtype == "float32") return gatecell::packed_nbytes<float>(spec, parsed);
  if (dtype == "float64") return gatecell::packed_nbytes<double>(spec, parsed);
  throw std::invalid_argument("expected dtype 'float32' or 'float64', got '" + dtype + "'");
}

// The table of cells: for each the words for messages, the gates without options, and the names of its options.
py::typing::Dict<std::string, Values> describe_cells() {
  py::typing::Dict<std::string, Values> found;
  for (const gatecell::CellInfo& cell : gatecell::cells()) {
    py::list names;
    for (const Option& option : gatecell::options()) {
      for (const gatecell::Cell owner : option.cells) {
        if (owner == cell.cell) names.append(option.name);
      }
    }
    found[cell.name] =
        py::dict("with_article"_a = cell.with_article, "gates"_a = cell.gates, "options"_a = py::tuple(names));
  }
  return found;
}

// The table of options: for each its values (none for a bound), the default, and the gate that each value removes.
py::typing::Dict<std::string, Values> describe_options() {
  py::typing::Dict<std::string, Values> found;
  for (const Option& option : gatecell::options()) {
    py::list values;
    for (const char* choice : option.choices) values.append(choice);
    if (option.kind == Option::Kind::flag) values = py::list(py::make_tuple(false, true));
    py::dict removed;
    if (option.removing_value) {
      removed[value_of(option, option.removing_value)] = py::str(std::string(1, option.removed_gate));
    }
    found[option.name] =
        py::dict("values"_a = py::tuple(values), "default"_a = value_of(option, 0), "removes"_a = removed);
  }
  return found;
}

std::vector<std::string> weight_names() {
  std::vector<std::string> names;
  for (const auto& [name, member] : gatecell::DirectionWeights<float>::members) names.push_back(name);
  return names;
}

}  // namespace

void register_spec(py::module_& m) {
  py::class_<Spec>(m, "Spec",
                   "The cell, the sizes and the options of a network, and what follows from them. Immutable.")
      .def(
          py::init(&make_spec), "cell"_a, "input_size"_a, "hidden_size"_a, "num_layers"_a = 1, "bias"_a = true,
          "bidirectional"_a = false, "proj_size"_a = 0,
          "The keywords that follow are options; options() has their names and values. Raises TypeError for an unknown "
          "option, ValueError for an unknown cell or value, sizes below 1 (proj_size: below 0), proj_size >= "
          "hidden_size, options of another cell, clips that are negative or not finite, and sizes that give more than "
          "about 2^46 weights.")
      .def_property_readonly("cell", [](const Spec& s) { return std::string(gatecell::info(s.cell).name); })
      .def_readonly("input_size", &Spec::input_size)
      .def_readonly("hidden_size", &Spec::hidden_size)
      .def_readonly("num_layers", &Spec::num_layers)
      .def_readonly("bias", &Spec::bias)
      .def_readonly("bidirectional", &Spec::bidirectional)
      .def_readonly("proj_size", &Spec::proj_size)
      .def_property_readonly("options", &options_of, "The value of every option by its name.")
      .def("__getattr__",
           [](const Spec& s, const std::string& name) {
             const Option* const option = find_option(name);
             if (!option) throw py::attribute_error("Spec has no attribute '" + name + "'");
             return value_of(*option, option->get(s));
           })
      .def("fields", &fields, "The arguments that make an equal Spec, by name.")
      .def_property_readonly("gates", &gatecell::gates,
                             "The gates in the order of the matrix rows of weight_ih, weight_hh and the biases, one "
                             "letter each.")
      .def_property_readonly("peephole_gates", &gatecell::peephole_gates,
                             "The gates of weight_peephole, in order. Empty without this weight.")
      .def_property_readonly("num_directions", &Spec::num_directions)
      .def_property_readonly("direction_runs", &Spec::direction_runs,
                             "Layers times directions: the length of the first axis of h_0 and c_0.")
      .def_property_readonly("state_size", &Spec::state_size,
                             "The number of features of h. c always has hidden_size features.")
      .def_property_readonly("output_size", &Spec::output_size, "The number of features of y.")
      .def("shapes", &shapes, "The shape of each weight by its name in a state dict of torch, in torch's order.")
      .def("packed_nbytes", &packed_nbytes, "dtype"_a, "isa"_a,
           "The memory of the packed weights in bytes, for \"float32\" or \"float64\" and an instruction set of this "
           "machine.")
      .def(py::pickle(&fields, [](const Values& values) { return py::type::of<Spec>()(**values).cast<Spec>(); }))
      .def("__eq__",
           [](const Spec& a, const py::object& b) {
             return py::isinstance<Spec>(b) && fields(a).equal(fields(b.cast<const Spec&>()));
           })
      .def("__hash__", [](const Spec& s) { return py::hash(py::tuple(fields(s).attr("values")())); })
      .def("__repr__", [](const Spec& s) {
        std::string text;
        for (const auto& [name, value] : fields(s)) {
          text += (text.empty() ? "" : ", ") + name.cast<std::string>() + "=" + py::repr(value).cast<std::string>();
        }
        return "Spec(" + text + ")";
      });
  m.def("weight_names", &weight_names, "The names of all weights of a direction of a layer, without their suffix.");
  m.def("cells", &describe_cells, "The cells by name: with_article, gates (without options) and options (names).");
  m.def("options", &describe_options,
        "The options by name: values (empty for a bound), default, and removes (the gate that a value removes).");
}
