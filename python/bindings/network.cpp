// Network32 and Network64: NumPy arrays as views, the GIL, errors.
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
#include "session.h"

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

// The fields of a Spec in order, enumerators by their names.
using SpecValues = std::tuple<std::string, std::int64_t, std::int64_t, std::int64_t, bool, bool, std::int64_t,
                              std::string, std::string, bool, double, double>;

// The enumerator of that name.
template <class E, std::size_t N>
E named(const char* what, const std::string& name, const std::pair<const char*, E> (&names)[N]) {
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
  spec.cell = named("cell", cell, cells);
  spec.peepholes = named("peepholes", peephole, peepholes);
  spec.reset = named("reset", reset, resets);
  gatecell::validate(spec);
  return spec;
}

// Of the weights of a layer's direction, those that exist.
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
  const auto directions = static_cast<std::size_t>(spec.num_layers * spec.num_directions());
  const std::size_t expected = directions * weight_shapes(spec, 0).size();
  if (arrays.size() != expected) {
    throw std::invalid_argument("expected " + std::to_string(expected) + " weights, got " +
                                std::to_string(arrays.size()));
  }
  std::vector<gatecell::DirectionWeights<T>> views;
  auto array = arrays.begin();
  for (std::size_t i = 0; i < directions; ++i) {
    const std::int64_t number = static_cast<std::int64_t>(i), layer = number / spec.num_directions();
    const std::string suffix = "_l" + std::to_string(layer) + (number % spec.num_directions() ? "_reverse" : "");
    const auto shapes = weight_shapes(spec, layer);
    auto next = shapes.begin();
    const auto take = [&](bool exists) -> const T* {
      if (!exists) return nullptr;
      const auto& [name, shape] = *next++;
      return contiguous(name + suffix, *array++, shape);
    };
    gatecell::DirectionWeights<T> w;
    w.weight_ih = take(true);
    w.weight_hh = take(true);
    w.bias_ih = take(spec.bias);
    w.bias_hh = take(spec.bias);
    w.weight_peephole = take(spec.peepholes != Peepholes::none);
    w.weight_hr = take(spec.proj_size > 0);
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

// The state goes from h_0 and c_0, (L*D, B, features) or zeros, into new arrays.
template <class T>
session::State<T> with_state(const Spec& spec, const std::optional<Array<T>>& h_0, const std::optional<Array<T>>& c_0,
                             Call<T>& call) {
  const std::int64_t chains = spec.num_layers * spec.num_directions();
  if (h_0) call.h_0 = contiguous("h_0", *h_0, {chains, call.rows, spec.state_size()});
  if (c_0) call.c_0 = contiguous("c_0", *c_0, {chains, call.rows, spec.hidden_size});
  session::State<T> state(spec, call.rows);
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
  session::State<T> state = with_state(spec, h_0, c_0, call);
  run_call(net, call, num_threads);
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
  session::State<T> state = with_state(spec, h_0, c_0, call);
  run_call(net, call, num_threads);
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
      .def(
          py::init([](const SpecValues& values, const std::vector<Array<T>>& arrays, const std::string& isa) {
            const Spec spec = make_spec(values);
            return std::make_unique<Network<T>>(spec, weight_views(spec, arrays), gatecell::parse_isa(isa));
          }),
          "spec"_a, "weights"_a, "isa"_a,
          "Packs the weights: C-contiguous arrays in torch's order, layer by layer, direction by direction: weight_ih, "
          "weight_hh[, bias_ih, bias_hh][, weight_peephole][, weight_hr].")
      .def("forward", &forward<T>, "x"_a.noconvert(), "h_0"_a.noconvert(), "c_0"_a.noconvert(), "lengths"_a.noconvert(),
           "out"_a.noconvert(), "batch_first"_a, "num_threads"_a,
           "x (T, B, I), or (B, T, I) if batch_first, gives y, h_n (L*D, B, S) and, for an LSTM, c_n (L*D, B, H).")
      .def("forward_packed", &forward_packed<T>, "data"_a.noconvert(), "h_0"_a.noconvert(), "c_0"_a.noconvert(),
           "lengths"_a.noconvert(), "state_rows"_a.noconvert(), "num_threads"_a,
           "data (sum of lengths, I), step by step, the longest row first; state_rows: where their states are.")
      .def("weights", &weights<T>, "The weights as they came in, bit for bit.")
      .def("plan", &plan<T>, "steps"_a, "rows"_a, "num_threads"_a, "What a call of this shape will do.")
      .def_property_readonly("nbytes", &Network<T>::nbytes, "Memory of the packed weights in bytes.")
      .def_property_readonly("isa", [](const Network<T>& net) { return std::string(gatecell::name(net.isa())); });
}

}  // namespace

void register_networks(py::module_& m) {
  m.def(
      "validate", [](const SpecValues& spec) { make_spec(spec); }, "spec"_a,
      "Raises ValueError for sizes below 1, a projection that is not smaller, options of another cell, or sizes whose "
      "product overflows.");
  register_network<float>(m, "Network32", "A packed float32 network; immutable.");
  register_network<double>(m, "Network64", "A packed float64 network; immutable.");
}
