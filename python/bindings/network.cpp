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
#include "spec.h"
#include "state_arrays.h"

namespace py = pybind11;
using namespace py::literals;

namespace {

using gatecell::Call;
using gatecell::Network;
using gatecell::Spec;

using checks::Array;
using checks::contiguous;
using checks::Indices;
using checks::stride;

template <class T>
std::vector<gatecell::DirectionWeights<T>> weight_views(const Spec& spec, const std::vector<Array<T>>& arrays) {
  const std::size_t expected =
      static_cast<std::size_t>(spec.direction_runs()) * gatecell::weight_shapes(spec, 0).size();
  if (arrays.size() != expected) {
    throw std::invalid_argument("expected " + std::to_string(expected) + " weights, got " +
                                std::to_string(arrays.size()));
  }
  std::vector<gatecell::DirectionWeights<T>> views;
  auto array = arrays.begin();
  for (std::int64_t layer = 0; layer < spec.num_layers; ++layer) {
    for (int direction = 0; direction < spec.num_directions(); ++direction) {
      gatecell::DirectionWeights<T>& view = views.emplace_back();
      for (const auto& [name, shape] : gatecell::weight_shapes(spec, layer)) {
        *view.find(name) = contiguous(name + spec_names::suffix(layer, direction), *array++, shape);
      }
    }
  }
  return views;
}

// A network with the arrays that it was made from. Every Network of Python is one.
template <class T>
struct NetworkWithWeights : Network<T> {
  NetworkWithWeights(const Spec& spec, std::vector<Array<T>> arrays, gatecell::Isa isa)
      : Network<T>(spec, weight_views(spec, arrays), isa), weights(std::move(arrays)) {}
  std::vector<Array<T>> weights;
};

template <class T>
std::vector<Array<T>>& weights(Network<T>& net) {
  return static_cast<NetworkWithWeights<T>&>(net).weights;
}

// Sets the state of a call: h_0 and c_0 are (L*D, B, features) or zeros; h_n and c_n become new arrays, which this
// returns.
template <class T>
state_arrays::State<T> set_call_state(const Spec& spec, const std::optional<Array<T>>& h_0,
                                      const std::optional<Array<T>>& c_0, Call<T>& call) {
  const std::int64_t direction_runs = spec.direction_runs();
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
  // A shared_ptr frees the whole NetworkWithWeights, though its type is that of the base.
  py::class_<Network<T>, std::shared_ptr<Network<T>>>(m, class_name, doc)
      .def(py::init([](const Spec& spec, std::vector<Array<T>> arrays, const std::string& isa) {
             return std::shared_ptr<Network<T>>(
                 std::make_shared<NetworkWithWeights<T>>(spec, std::move(arrays), gatecell::parse_isa(isa)));
           }),
           "spec"_a, "weights"_a, "isa"_a,
           "Packs the weights, and keeps the arrays. They are C-contiguous arrays in torch's order, for each layer and "
           "direction: weight_ih, weight_hh[, bias_ih, bias_hh][, weight_peephole][, weight_hr].")
      .def("forward", &forward<T>, "x"_a.noconvert(), "h_0"_a.noconvert(), "c_0"_a.noconvert(), "lengths"_a.noconvert(),
           "out"_a.noconvert(), "batch_first"_a, "num_threads"_a,
           "x is (T, B, I), or (B, T, I) if batch_first. Returns y, h_n (L*D, B, S) and, for an LSTM, c_n (L*D, B, H).")
      .def("forward_packed", &forward_packed<T>, "data"_a.noconvert(), "h_0"_a.noconvert(), "c_0"_a.noconvert(),
           "lengths"_a.noconvert(), "state_rows"_a.noconvert(), "num_threads"_a,
           "data is (sum of lengths, I), step by step, the longest row first. The state of row r is in row "
           "state_rows[r] of h_0, c_0, h_n and c_n.")
      .def("weights", &weights<T>, "The arrays of the constructor.")
      .def(
          "discard_weights", [](Network<T>& net) { weights(net).clear(); },
          "Frees the arrays of the constructor. weights() is then an empty list.")
      .def("plan", &plan<T>, "steps"_a, "rows"_a, "num_threads"_a,
           "What a call of this shape will do if it does not come in a loop of calls, as a dict.")
      .def_property_readonly("nbytes", &Network<T>::nbytes,
                             "The memory of the packed weights, in bytes, without the arrays of the constructor.")
      .def_property_readonly("isa", [](const Network<T>& net) { return std::string(gatecell::name(net.isa())); });
}

}  // namespace

void register_networks(py::module_& m) {
  register_network<float>(m, "Network32", "A packed float32 network; immutable.");
  register_network<double>(m, "Network64", "A packed float64 network; immutable.");
}
