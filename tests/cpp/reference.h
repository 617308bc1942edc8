// The reference implementation for the C++ tests: the equations of torch.nn and of the extended cells as simple loops,
// in the arithmetic of type A. It has nothing in common with the library except the public header: the order of gates
// and the shapes of weights are the library's, and test_spec.cpp compares them with literal values. test_reference.cpp
// compares the reference with recorded results of PyTorch.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <vector>

#include "gatecell/network.h"

namespace reference {

using gatecell::Cell;
using gatecell::DirectionWeights;
using gatecell::Peepholes;
using gatecell::Reset;
using gatecell::Spec;

// A network and the inputs of one call. All arrays are contiguous.
template <class T>
struct Problem {
  Spec spec;
  std::int64_t steps = 0, rows = 0;     // T, B
  std::vector<std::vector<T>> weights;  // in torch's order: for each layer and direction weight_ih, weight_hh, ...
  std::vector<T> x;                     // (T, B, input_size)
  std::vector<T> h_0, c_0;              // (L*D, B, state_size), (L*D, B, H); empty: zeros
};

template <class T>
struct Output {
  std::vector<T> y, h_n, c_n;  // (T, B, output_size), (L*D, B, state_size), (L*D, B, H); c_n for the LSTM only
};

inline std::int64_t product(const std::vector<std::int64_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
}

// `arrays` are weights in the order of a Problem.
template <class T, class Arrays>
std::vector<DirectionWeights<T>> views(const Spec& spec, const Arrays& arrays) {
  std::vector<DirectionWeights<T>> result(static_cast<std::size_t>(spec.direction_runs()));
  auto next = arrays.begin();
  for (std::size_t run = 0; run < result.size(); ++run) {
    for (const auto& weight : gatecell::weight_shapes(spec, static_cast<std::int64_t>(run) / spec.num_directions())) {
      *result[run].find(weight.name) = (next++)->data();
    }
  }
  return result;
}

template <class T>
std::vector<DirectionWeights<T>> views(const Problem<T>& problem) {
  return views<T>(problem.spec, problem.weights);
}

// bias[row] + sum over k of weight[row][k] * v[k], for every row
template <class A, class T>
std::vector<A> affine(const T* weight, const T* bias, std::int64_t rows, const std::vector<A>& v) {
  std::vector<A> out;
  for (std::int64_t row = 0; row < rows; ++row) {
    A sum = bias ? A(bias[row]) : A(0);
    for (const A& element : v) sum += A(*weight++) * element;
    out.push_back(sum);
  }
  return out;
}

template <class A>
A sigmoid(A v) {
  return A(1) / (A(1) + std::exp(-v));
}

template <class A>
A bounded(A v, double limit) {
  return limit > 0 && std::abs(v) > A(limit) ? std::copysign(A(limit), v) : v;  // NaN stays
}

// The peephole term of one unit. `gate` is the index among the gates that have peepholes.
template <class A, class T>
A peephole(const Spec& spec, const DirectionWeights<T>& w, std::size_t gate, std::size_t u, const std::vector<A>& c) {
  const std::size_t row = gate * c.size() + u;
  if (spec.peepholes == Peepholes::none) return A(0);
  if (spec.peepholes == Peepholes::diagonal) return A(w.weight_peephole[row]) * c[u];
  A sum(0);
  for (std::size_t k = 0; k < c.size(); ++k) sum += A(w.weight_peephole[row * c.size() + k]) * c[k];
  return sum;
}

// Computes the new h and c of an LSTM from a = W_ih x + b_ih + W_hh h + b_hh. h is not yet projected.
template <class A, class T>
void finish_lstm(const Spec& spec, const DirectionWeights<T>& w, const std::vector<A>& a, std::vector<A>& h,
                 std::vector<A>& c) {
  const std::size_t hidden = c.size(), f_gate = spec.coupled_gates ? 0 : 1, g_gate = f_gate + 1;
  const std::vector<A> old = c;
  const auto sum = [&](std::size_t gate, std::size_t u, A seen) {
    return bounded(a[gate * hidden + u] + seen, spec.gate_clip);
  };
  for (std::size_t u = 0; u < hidden; ++u) {
    const A i = sigmoid(sum(0, u, peephole(spec, w, 0, u, old)));
    const A f = spec.coupled_gates ? A(1) - i : sigmoid(sum(f_gate, u, peephole(spec, w, f_gate, u, old)));
    c[u] = bounded(f * old[u] + i * std::tanh(sum(g_gate, u, A(0))), spec.cell_clip);
  }
  const std::vector<A>& seen = spec.peepholes == Peepholes::full ? old : c;
  for (std::size_t u = 0; u < hidden; ++u) {
    h[u] = sigmoid(sum(g_gate + 1, u, peephole(spec, w, g_gate, u, seen))) * std::tanh(c[u]);
  }
}

// Computes the new h of a GRU from gi = W_ih x + b_ih and gh = W_hh h + b_hh.
template <class A, class T>
void finish_gru(const Spec& spec, const DirectionWeights<T>& w, const std::vector<A>& gi, std::vector<A> gh,
                std::vector<A>& h) {
  const std::size_t hidden = h.size(), z_gate = spec.reset == Reset::none ? 0 : 1, n_gate = z_gate + 1;
  const auto bound = [&](A a) { return bounded(a, spec.gate_clip); };
  const auto gate = [&](std::size_t row) { return sigmoid(bound(gi[row] + gh[row])); };
  std::vector<A> r(hidden, A(1)), reset(hidden);
  for (std::size_t u = 0; u < hidden && spec.reset != Reset::none; ++u) r[u] = gate(u);
  if (spec.reset == Reset::before) {
    for (std::size_t u = 0; u < hidden; ++u) reset[u] = r[u] * h[u];
    const auto rows = static_cast<std::int64_t>(hidden);
    const auto product = affine(w.weight_hh + n_gate * hidden * hidden,
                                spec.bias ? w.bias_hh + n_gate * hidden : static_cast<const T*>(nullptr), rows, reset);
    std::copy(product.begin(), product.end(), gh.begin() + static_cast<std::ptrdiff_t>(n_gate * hidden));
  }
  for (std::size_t u = 0; u < hidden; ++u) {
    const A of_h = gh[n_gate * hidden + u], z = gate(z_gate * hidden + u);
    const A n = std::tanh(bound(gi[n_gate * hidden + u] + (spec.reset == Reset::after ? r[u] * of_h : of_h)));
    h[u] = (A(1) - z) * n + z * h[u];
  }
}

// Ends one time step of one row: computes the new h and c from gi = W_ih x + b_ih and gh = W_hh h + b_hh. h is not yet
// projected.
template <class A, class T>
void finish(const Spec& spec, const DirectionWeights<T>& w, const std::vector<A>& gi, const std::vector<A>& gh,
            std::vector<A>& h, std::vector<A>& c) {
  if (spec.cell == Cell::gru) return finish_gru(spec, w, gi, gh, h);
  std::vector<A> a = gi;
  for (std::size_t i = 0; i < a.size(); ++i) a[i] += gh[i];
  if (spec.cell == Cell::lstm) return finish_lstm(spec, w, a, h, c);
  for (std::size_t u = 0; u < h.size(); ++u) {
    const A v = bounded(a[u], spec.gate_clip);
    h[u] = spec.cell == Cell::rnn_tanh ? std::tanh(v) : v < A(0) ? A(0) : v;  // NaN stays
  }
}

// Runs one row through one direction of one layer. Returns h after each step, in the order of x, and updates h and c.
template <class A, class T>
std::vector<std::vector<A>> run_row(const Spec& spec, const DirectionWeights<T>& w, bool reverse,
                                    const std::vector<std::vector<A>>& x, std::vector<A>& h, std::vector<A>& c) {
  const std::int64_t gates = gatecell::num_gates(spec) * spec.hidden_size;
  std::vector<std::vector<A>> y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t t = reverse ? x.size() - 1 - i : i;
    const std::vector<A> gi = affine(w.weight_ih, w.bias_ih, gates, x[t]);
    const std::vector<A> gh = affine(w.weight_hh, w.bias_hh, gates, h);
    h.resize(c.size());
    finish(spec, w, gi, gh, h, c);
    if (spec.proj_size) h = affine(w.weight_hr, static_cast<const T*>(nullptr), spec.proj_size, h);
    y[t] = h;
  }
  return y;
}

template <class A, class T>
Output<A> forward(const Problem<T>& problem) {
  const Spec& spec = problem.spec;
  const auto weights = views(problem);
  const auto size = [](std::int64_t n) { return static_cast<std::size_t>(n); };
  const std::size_t steps = size(problem.steps), rows = size(problem.rows), state = size(spec.state_size());
  const std::size_t hidden = size(spec.hidden_size), directions = size(spec.num_directions()), out = directions * state;
  // Matrix row `index` of a contiguous matrix with `width` columns. An empty matrix means zeros.
  const auto slice = [](const std::vector<T>& matrix, std::size_t index, std::size_t width) {
    std::vector<A> row(width);
    for (std::size_t k = 0; k < width && !matrix.empty(); ++k) row[k] = A(matrix[index * width + k]);
    return row;
  };

  Output<A> result;
  result.y.resize(steps * rows * out);
  result.h_n.resize(weights.size() * rows * state);
  result.c_n.resize(spec.cell == Cell::lstm ? weights.size() * rows * hidden : 0);
  for (std::size_t row = 0; row < rows; ++row) {
    std::vector<std::vector<A>> sequence;
    for (std::size_t t = 0; t < steps; ++t) sequence.push_back(slice(problem.x, t * rows + row, size(spec.input_size)));
    for (std::size_t index = 0; index < weights.size(); index += directions) {
      std::vector<std::vector<A>> above(steps);
      for (std::size_t d = 0; d < directions; ++d) {
        const std::size_t state_row = (index + d) * rows + row;
        std::vector<A> h = slice(problem.h_0, state_row, state), c = slice(problem.c_0, state_row, hidden);
        const auto y = run_row(spec, weights[index + d], d == 1, sequence, h, c);
        for (std::size_t t = 0; t < steps; ++t) above[t].insert(above[t].end(), y[t].begin(), y[t].end());
        for (std::size_t u = 0; u < state; ++u) result.h_n[state_row * state + u] = h[u];
        if (spec.cell != Cell::lstm) continue;
        for (std::size_t u = 0; u < hidden; ++u) result.c_n[state_row * hidden + u] = c[u];
      }
      sequence = above;
    }
    for (std::size_t t = 0; t < steps; ++t) {
      for (std::size_t u = 0; u < out; ++u) result.y[(t * rows + row) * out + u] = sequence[t][u];
    }
  }
  return result;
}

}  // namespace reference
