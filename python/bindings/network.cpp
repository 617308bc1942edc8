// Network32 and Network64: they pass NumPy arrays to the core, release the GIL for long calls, and check shapes.
#include "gatecell/network.h"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cmath>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>

#include "checks.h"
#include "register.h"
#include "run_call.h"
#include "state_arrays.h"

namespace py = pybind11;
using namespace py::literals;

namespace {

using gatecell::Call;
using gatecell::Cell;
using gatecell::Network;
using gatecell::Peepholes;
using gatecell::Reset;
using gatecell::Spec;

using checks::Array;
using checks::contiguous;
using checks::Indices;
using checks::stride;

// The fields of a Spec, in order. Enumerators are given by their names.
using SpecValues = std::tuple<std::string, std::int64_t, std::int64_t, std::int64_t, bool, bool, std::int64_t,
                              std::string, std::string, bool, double, double>;

// The enumerator with this name.
template <class E, std::size_t N>
E parse_enumerator(const char* what, const std::string& name, const std::pair<const char*, E> (&names)[N]) {
  std::string expected;
  for (std::size_t i = 0; i < N; ++i) {
    if (name == names[i].first) return names[i].second;
    expected += std::string(i == 0 ? "'" : i + 1 == N ? " or '" : ", '") + names[i].first + "'";
  }
  throw std::invalid_argument("expected " + std::string(what) + " " + expected + ", got '" + name + "'");
}

Spec make_spec(const SpecValues& values) {
  constexpr std::pair<const char*, Cell> cells[] = {
      {"lstm", Cell::lstm}, {"gru", Cell::gru}, {"rnn_tanh", Cell::rnn_tanh}, {"rnn_relu", Cell::rnn_relu}};
  constexpr std::pair<const char*, Peepholes> peepholes[] = {
      {"none", Peepholes::none}, {"diagonal", Peepholes::diagonal}, {"full", Peepholes::full}};
  constexpr std::pair<const char*, Reset> resets[] = {
      {"after", Reset::after}, {"before", Reset::before}, {"none", Reset::none}};
  Spec spec;
  std::string cell, peephole, reset;
  std::tie(cell, spec.input_size, spec.hidden_size, spec.num_layers, spec.bias, spec.bidirectional, spec.proj_size,
           peephole, reset, spec.coupled_gates, spec.gate_clip, spec.cell_clip) = values;
  spec.cell = parse_enumerator("cell", cell, cells);
  spec.peepholes = parse_enumerator("peepholes", peephole, peepholes);
  spec.reset = parse_enumerator("reset", reset, resets);
  gatecell::validate(spec);
  return spec;
}

// The names and shapes of the weights that one direction of a layer has.
std::vector<std::pair<const char*, checks::Shape>> weight_shapes(const Spec& spec, std::int64_t layer) {
  const std::int64_t rows = spec.num_gates() * spec.hidden_size,
                     seeing_c = spec.num_peephole_gates() * spec.hidden_size;
  std::vector<std::pair<const char*, checks::Shape>> shapes = {{"weight_ih", {rows, spec.layer_input(layer)}},
                                                               {"weight_hh", {rows, spec.state_size()}}};
  if (spec.bias) shapes.insert(shapes.end(), {{"bias_ih", {rows}}, {"bias_hh", {rows}}});
  if (spec.peepholes == Peepholes::diagonal) shapes.push_back({"weight_peephole", {seeing_c}});
  if (spec.peepholes == Peepholes::full) shapes.push_back({"weight_peephole", {seeing_c, spec.hidden_size}});
  if (spec.proj_size) shapes.push_back({"weight_hr", {spec.proj_size, spec.hidden_size}});
  return shapes;
}

template <class T>
std::vector<gatecell::DirectionWeights<T>> weight_views(const Spec& spec, const std::vector<Array<T>>& arrays) {
  const auto direction_runs = static_cast<std::size_t>(spec.num_layers * spec.num_directions());
  const std::size_t expected = direction_runs * weight_shapes(spec, 0).size();
  if (arrays.size() != expected) {
    throw std::invalid_argument("expected " + std::to_string(expected) + " weights, got " +
                                std::to_string(arrays.size()));
  }
  std::vector<gatecell::DirectionWeights<T>> views;
  auto array = arrays.begin();
  for (std::size_t i = 0; i < direction_runs; ++i) {
    const std::int64_t direction_index = static_cast<std::int64_t>(i), layer = direction_index / spec.num_directions();
    const std::string suffix =
        "_l" + std::to_string(layer) + (direction_index % spec.num_directions() ? "_reverse" : "");
    const auto shapes = weight_shapes(spec, layer);
    auto next = shapes.begin();
    const auto next_weight = [&](bool exists) -> const T* {
      if (!exists) return nullptr;
      const auto& [name, shape] = *next++;
      return contiguous(name + suffix, *array++, shape);
    };
    gatecell::DirectionWeights<T> w;
    w.weight_ih = next_weight(true);
    w.weight_hh = next_weight(true);
    w.bias_ih = next_weight(spec.bias);
    w.bias_hh = next_weight(spec.bias);
    w.weight_peephole = next_weight(spec.peepholes != Peepholes::none);
    w.weight_hr = next_weight(spec.proj_size > 0);
    views.push_back(w);
  }
  return views;
}

template <class T>
py::typing::List<Array<T>> weights(const Network<T>& net) {
  const std::vector<std::vector<T>> values = net.weights();
  py::list arrays;
  for (std::int64_t layer = 0; arrays.size() < values.size(); ++layer) {
    for (int direction = 0; direction < net.spec().num_directions(); ++direction) {
      for (const auto& weight : weight_shapes(net.spec(), layer)) {
        arrays.append(Array<T>(weight.second, values[arrays.size()].data()));
      }
    }
  }
  return arrays;
}

// Sets the state of a call: h_0 and c_0 are (L*D, B, features) or zeros; h_n and c_n become new arrays, which this
// returns.
template <class T>
state_arrays::State<T> set_call_state(const Spec& spec, const std::optional<Array<T>>& h_0,
                                      const std::optional<Array<T>>& c_0, Call<T>& call) {
  const std::int64_t direction_runs = spec.num_layers * spec.num_directions();
  if (h_0) call.h_0 = contiguous("h_0", *h_0, {direction_runs, call.rows, spec.state_size()});
  if (c_0) call.c_0 = contiguous("c_0", *c_0, {direction_runs, call.rows, spec.hidden_size});
  state_arrays::State<T> state(spec, call.rows);
  call.h_n = state.h_data();
  call.c_n = state.c_data();
  return state;
}

template <class T>
using Result = std::tuple<Array<T>, Array<T>, std::optional<Array<T>>>;

template <class T>
Result<T> forward(const Network<T>& net, const Array<T>& x, const std::optional<Array<T>>& h_0,
                  const std::optional<Array<T>>& c_0, const std::optional<Indices>& lengths,
                  std::optional<Array<T>> out, bool batch_first, int num_threads) {
  const Spec& spec = net.spec();
  if (x.ndim() != 3) {
    throw std::invalid_argument("expected input of 3 dimensions, got " + std::to_string(x.ndim()));
  }
  const int time = batch_first ? 1 : 0, batch = 1 - time;
  checks::shape("input", x, {x.shape(0), x.shape(1), spec.input_size});
  const checks::Shape y_shape = {x.shape(0), x.shape(1), spec.output_size()};
  Array<T> y = out ? std::move(*out) : Array<T>(y_shape);
  checks::shape("out", y, y_shape);

  Call<T> call;
  call.steps = x.shape(time);
  call.rows = x.shape(batch);
  call.x = x.data();
  call.x_step = stride("input", x, time);
  call.x_row = stride("input", x, batch);
  if (lengths) call.lengths = contiguous("lengths", *lengths, {call.rows});
  call.y = y.mutable_data();
  call.y_step = stride("out", y, time);
  call.y_row = stride("out", y, batch);
  state_arrays::State<T> state = set_call_state(spec, h_0, c_0, call);
  run_call(net.prepare(call, num_threads));
  return {std::move(y), std::move(state.h), std::move(state.c)};
}

template <class T>
Result<T> forward_packed(const Network<T>& net, const Array<T>& data, const std::optional<Array<T>>& h_0,
                         const std::optional<Array<T>>& c_0, const Indices& lengths,
                         const std::optional<Indices>& state_rows, int num_threads) {
  const Spec& spec = net.spec();
  Call<T> call;
  call.rows = lengths.size();
  call.lengths = contiguous("lengths", lengths, {call.rows});
  call.steps = call.rows ? call.lengths[0] : 0;
  call.layout = gatecell::Layout::packed;
  const std::int64_t total = std::accumulate(call.lengths, call.lengths + call.rows, std::int64_t{0});
  call.x = contiguous("data", data, {total, spec.input_size});
  call.x_row = spec.input_size;
  Array<T> y({total, spec.output_size()});
  call.y = y.mutable_data();
  call.y_row = spec.output_size();
  if (state_rows) call.state_rows = contiguous("state_rows", *state_rows, {call.rows});
  call.state_capacity = call.rows;
  state_arrays::State<T> state = set_call_state(spec, h_0, c_0, call);
  run_call(net.prepare(call, num_threads));
  return {std::move(y), std::move(state.h), std::move(state.c)};
}

const char* name_of(gatecell::Limit limit) {
  switch (limit) {
    case gatecell::Limit::multiply_adds:
      return "multiply-adds";
    case gatecell::Limit::l1:
      return "L1";
    case gatecell::Limit::l2:
      return "L2";
    case gatecell::Limit::l3:
      return "L3";
    case gatecell::Limit::memory:
      return "memory";
    case gatecell::Limit::barriers:
      return "meetings";
    case gatecell::Limit::calls:
      break;
  }
  return "calls";
}

template <class T>
py::typing::Dict<py::str, py::object> plan(const Network<T>& net, std::int64_t steps, std::int64_t rows,
                                           int num_threads) {
  const gatecell::Plan plan = net.plan(steps, rows, num_threads);
  const gatecell::Forecast forecast = net.forecast(steps, rows, plan);
  return py::typing::Dict<py::str, py::object>(
      py::dict("isa"_a = gatecell::name(net.isa()), "threads"_a = plan.threads(), "row_parts"_a = plan.row_parts,
               "direction_parts"_a = plan.direction_parts, "layer_parts"_a = plan.layer_parts,
               "hidden_parts"_a = plan.hidden_parts, "kernel"_a = plan.fused ? "fused" : "projected",
               "chunk"_a = plan.chunk, "group_rows"_a = plan.group_rows,
               "step_bytes"_a = py::reinterpret_steal<py::int_>(PyLong_FromDouble(std::round(forecast.step_bytes))),
               "limit"_a = name_of(forecast.limit), "seconds"_a = plan.seconds));
}

template <class T>
void register_network(py::module_& m, const char* class_name, const char* doc) {
  py::class_<Network<T>>(m, class_name, doc)
      .def(py::init([](const SpecValues& values, const std::vector<Array<T>>& arrays, const std::string& isa) {
             const Spec spec = make_spec(values);
             return std::make_unique<Network<T>>(spec, weight_views(spec, arrays), gatecell::parse_isa(isa));
           }),
           "spec"_a, "weights"_a, "isa"_a,
           "Packs the weights. They are C-contiguous arrays in torch's order, for each layer and direction: weight_ih, "
           "weight_hh[, bias_ih, bias_hh][, weight_peephole][, weight_hr].")
      .def("forward", &forward<T>, "x"_a.noconvert(), "h_0"_a.noconvert(), "c_0"_a.noconvert(), "lengths"_a.noconvert(),
           "out"_a.noconvert(), "batch_first"_a, "num_threads"_a,
           "x is (T, B, I), or (B, T, I) if batch_first. Returns y, h_n (L*D, B, S) and, for an LSTM, c_n (L*D, B, H).")
      .def("forward_packed", &forward_packed<T>, "data"_a.noconvert(), "h_0"_a.noconvert(), "c_0"_a.noconvert(),
           "lengths"_a.noconvert(), "state_rows"_a.noconvert(), "num_threads"_a,
           "data is (sum of lengths, I), step by step, the longest row first. The state of row r is in row "
           "state_rows[r] of h_0, c_0, h_n and c_n.")
      .def("weights", &weights<T>, "The weights as given, bit for bit.")
      .def("plan", &plan<T>, "steps"_a, "rows"_a, "num_threads"_a,
           "What a call of this shape will do if it does not come in a loop of calls, as a dict.")
      .def_property_readonly("nbytes", &Network<T>::nbytes, "The memory of the packed weights, in bytes.")
      .def_property_readonly("isa", [](const Network<T>& net) { return std::string(gatecell::name(net.isa())); });
}

}  // namespace

void register_networks(py::module_& m) {
  m.def(
      "validate", [](const SpecValues& spec) { make_spec(spec); }, "spec"_a,
      "Raises ValueError for unknown names, sizes below 1 (proj_size: below 0), proj_size >= hidden_size, options of "
      "another cell, clips that are negative or not finite, and sizes that give more than about 2^46 weights.");
  register_network<float>(m, "Network32", "A packed float32 network; immutable.");
  register_network<double>(m, "Network64", "A packed float64 network; immutable.");
}
