// The oracle of the C++ tests: torch.nn's equations as plain loops, one number at a time, in arithmetic A.
// It shares nothing with the library but the public header; test_reference.cpp compares it with recorded PyTorch.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "gatecell/network.h"

namespace reference {

using gatecell::Cell;
using gatecell::DirectionWeights;
using gatecell::Spec;

// A network and the inputs of one call, everything contiguous.
template <class T>
struct Problem {
  Spec spec;
  std::int64_t steps = 0, rows = 0;     // T, B
  std::vector<std::vector<T>> weights;  // in torch's flat order: per layer and direction weight_ih, weight_hh, ...
  std::vector<T> x;                     // (T, B, input_size)
  std::vector<T> h_0, c_0;              // (L*D, B, state_size), (L*D, B, H); empty: zeros
};

template <class T>
struct Output {
  std::vector<T> y, h_n, c_n;  // (T, B, output_size), (L*D, B, state_size), (L*D, B, H); c_n of the LSTM only
};

template <class T>
std::vector<DirectionWeights<T>> views(const Problem<T>& problem) {
  std::vector<DirectionWeights<T>> result(
      static_cast<std::size_t>(problem.spec.num_layers * problem.spec.directions()));
  auto next = problem.weights.begin();
  for (auto& direction : result) {
    direction.weight_ih = (next++)->data();
    direction.weight_hh = (next++)->data();
    if (problem.spec.bias) direction.bias_ih = (next++)->data();
    if (problem.spec.bias) direction.bias_hh = (next++)->data();
    if (problem.spec.proj_size) direction.weight_hr = (next++)->data();
  }
  return result;
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

// One time step of one row: new h and c from gi = W_ih x + b_ih and gh = W_hh h + b_hh, h not yet projected.
template <class A>
void finish(Cell cell, const std::vector<A>& gi, const std::vector<A>& gh, std::vector<A>& h, std::vector<A>& c) {
  const std::size_t hidden = c.size();
  for (std::size_t u = 0; u < hidden; ++u) {
    const auto sum = [&](std::size_t gate) { return gi[gate * hidden + u] + gh[gate * hidden + u]; };
    if (cell == Cell::rnn_tanh) {
      h[u] = std::tanh(sum(0));
    } else if (cell == Cell::rnn_relu) {
      h[u] = sum(0) < A(0) ? A(0) : sum(0);  // NaN stays
    } else if (cell == Cell::gru) {
      const A r = sigmoid(sum(0)), z = sigmoid(sum(1));
      const A n = std::tanh(gi[2 * hidden + u] + r * gh[2 * hidden + u]);
      h[u] = (A(1) - z) * n + z * h[u];
    } else {
      c[u] = sigmoid(sum(1)) * c[u] + sigmoid(sum(0)) * std::tanh(sum(2));
      h[u] = sigmoid(sum(3)) * std::tanh(c[u]);
    }
  }
}

// One row through one direction of one layer: h after each step of x, in the order of x; h and c are updated.
template <class A, class T>
std::vector<std::vector<A>> run_row(const Spec& spec, const DirectionWeights<T>& w, bool reverse,
                                    const std::vector<std::vector<A>>& x, std::vector<A>& h, std::vector<A>& c) {
  const std::int64_t gates = spec.gates() * spec.hidden_size;
  std::vector<std::vector<A>> y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t t = reverse ? x.size() - 1 - i : i;
    const std::vector<A> gi = affine(w.weight_ih, w.bias_ih, gates, x[t]);
    const std::vector<A> gh = affine(w.weight_hh, w.bias_hh, gates, h);
    h.resize(c.size());
    finish(spec.cell, gi, gh, h, c);
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
  const std::size_t hidden = size(spec.hidden_size), directions = size(spec.directions()), out = directions * state;
  // Row `index` of a contiguous matrix of `width` columns; an empty matrix is all zeros.
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
