// The cells that PyTorch lacks. They are rare, so they have no tiles of their own. The products are added to the
// pre-activations in memory by the tiles of `project`. A second pass then ends the step.
//
// [a] is a bounded by gate_clip. Gate order and chains are as in PyTorch's cells; the products of peepholes come last.
#pragma once

#include "extended_sums.h"

namespace gatecell {
namespace {

// i = s([a_i + p_i c]),   f = s([a_f + p_f c]), coupled f = 1 - i,   g = tanh([a_g])
// c' = f c + i g, bounded by cell_clip,   o = s([a_o + p_o c']),   h' = o tanh(c');   gates i f g o, coupled i g o
// Full peepholes are matrices, and all three see c: a_i + P_i c, a_f + P_f c, a_o + P_o c.
template <class T, class Weight, bool kCoupled>
void extended_lstm(const StepArgs<T>& s) {
  constexpr int W = kLanes<T>, G = kCoupled ? 3 : 4;
  constexpr int kPosition[3] = {0, 1, G - 1};  // of i f o among the gates
  const ExtendedArgs<T>& e = *s.extended;
  const InputSums<T> in = compute_input_sums<T, Weight, G>(s);
  add_product<T, Weight, G>(s, in.data, in.row, G * W, *s.panels, s.depth, s.h, s.h_row, s.sums, s.sums_row);
  for (int gate = 0; gate < 3; ++gate) {
    if (!e.peephole_panels[gate].weights) continue;
    T* sums = s.sums + kPosition[gate] * W;
    add_product<T, Weight, 1>(s, sums, s.sums_row, G * W, e.peephole_panels[gate], s.units, s.c, s.c_row, sums,
                              s.sums_row);
  }
  for_sums<T, G>(s, [&](const auto& at, const auto& a) GATECELL_ALWAYS {
    const auto c = at.load(s.c, s.c_row);
    const auto sum = [&](int gate, const auto& seen) GATECELL_ALWAYS {
      auto of_gate = a(kPosition[gate]);
      if (e.peepholes[gate]) of_gate = multiply_add(at.load(e.peepholes[gate], 0), seen, of_gate);
      return clip(of_gate, e.gate_clip);
    };
    const auto g = clip(a(G - 2), e.gate_clip);
    auto next = c;
    if constexpr (kCoupled) {
      const auto i = sigmoid(sum(0, c));
      next = multiply_add(T(1) - i, c, i * tanh(g));
    } else {
      const auto input = sigmoid_tanh(sum(0, c), g);
      next = multiply_add(sigmoid(sum(1, c)), c, input);
    }
    next = clip(next, e.cell_clip);
    at.store(s.c_next, s.c_row, next);
    store_h(s, at, sigmoid_tanh(sum(2, next), next));
  });
}

// r = s([a_r]),   z = s([a_z]),   n = tanh([x_n + W_hn (r h)]),   h' = (1 - z) n + z h;   gates r z n
// The product with r h needs r of all units, so this is two functions. The first one computes r h.
template <class T, class Weight>
void compute_reset_h(const StepArgs<T>& s) {
  constexpr int W = kLanes<T>;
  const InputSums<T> in = compute_input_sums<T, Weight, 3>(s);
  add_product<T, Weight, 2>(s, in.data, in.row, 3 * W, *s.panels, s.depth, s.h, s.h_row, s.sums, s.sums_row);
  for_sums<T, 3>(s, [&](const auto& at, const auto& a) GATECELL_ALWAYS {
    at.store(s.reset_h, s.h_next_row, sigmoid(clip(a(0), s.extended->gate_clip)) * at.load(s.h, s.h_row));
  });
}

template <class T, class Weight>
void reset_before_gru(const StepArgs<T>& s) {
  constexpr int W = kLanes<T>;
  const InputSums<T> in = input_sums(s);
  add_product<T, Weight, 1>(s, in.data + 2 * W, in.row, 3 * W, s.extended->candidate_panels, s.depth, s.reset_h,
                            s.h_next_row, s.sums + 2 * W, s.sums_row);
  for_sums<T, 3>(s, [&](const auto& at, const auto& a) GATECELL_ALWAYS {
    const auto z = sigmoid(clip(a(1), s.extended->gate_clip)), n = tanh(clip(a(2), s.extended->gate_clip));
    store_h(s, at, gru_output(z, n, at.load(s.h, s.h_row)));
  });
}

// z = s([a_z]),   n = tanh([a_n]),   h' = (1 - z) n + z h;   gates z n
template <class T, class Weight>
void no_reset_gru(const StepArgs<T>& s) {
  constexpr int W = kLanes<T>;
  const InputSums<T> in = compute_input_sums<T, Weight, 2>(s);
  add_product<T, Weight, 2>(s, in.data, in.row, 2 * W, *s.panels, s.depth, s.h, s.h_row, s.sums, s.sums_row);
  for_sums<T, 2>(s, [&](const auto& at, const auto& a) GATECELL_ALWAYS {
    const auto z = sigmoid(clip(a(0), s.extended->gate_clip)), n = tanh(clip(a(1), s.extended->gate_clip));
    store_h(s, at, gru_output(z, n, at.load(s.h, s.h_row)));
  });
}

// r = s([a_r]),   z = s([a_z]),   n = tanh([x_n + r (W_hn h + b_hn)]),   h' = (1 - z) n + z h;   gates r z n
template <class T, class Weight>
void clipped_gru(const StepArgs<T>& s) {
  constexpr int W = kLanes<T>;
  const ExtendedArgs<T>& e = *s.extended;
  const InputSums<T> in = compute_input_sums<T, Weight, 3>(s);
  add_product<T, Weight, 2>(s, in.data, in.row, 3 * W, *s.panels, s.depth, s.h, s.h_row, s.sums, s.sums_row);
  add_product<T, Weight, 1>(s, s.recurrent_bias, 0, W, e.candidate_panels, s.depth, s.h, s.h_row, s.reset_h,
                            s.h_next_row);
  for_sums<T, 3>(s, [&](const auto& at, const auto& a) GATECELL_ALWAYS {
    const auto r = sigmoid(clip(a(0), e.gate_clip)), z = sigmoid(clip(a(1), e.gate_clip));
    const auto x = at.load(in.data + 2 * W, in.row, 3 * W);
    const auto n = tanh(clip(multiply_add(r, at.load(s.reset_h, s.h_next_row), x), e.gate_clip));
    store_h(s, at, gru_output(z, n, at.load(s.h, s.h_row)));
  });
}

// h' = tanh([a]) or relu([a])
template <class T, class Weight>
void clipped_rnn(const StepArgs<T>& s) {
  const InputSums<T> in = compute_input_sums<T, Weight, 1>(s);
  add_product<T, Weight, 1>(s, in.data, in.row, kLanes<T>, *s.panels, s.depth, s.h, s.h_row, s.sums, s.sums_row);
  for_sums<T, 1>(s, [&](const auto& at, const auto& a) GATECELL_ALWAYS {
    const auto clipped = [&](int gate) GATECELL_ALWAYS { return clip(a(gate), s.extended->gate_clip); };
    store_h(s, at, Rnn<T>::finish(s, at, clipped, nullptr));
  });
}

template <class T, class Weight>
constexpr void add_extended_cells(WeightKernels<T>& kernels) {
  slot(kernels, CellKernel::extended_lstm) = {project<T, Weight, 4>, nullptr, extended_lstm<T, Weight, false>};
  slot(kernels, CellKernel::coupled_lstm) = {project<T, Weight, 3>, nullptr, extended_lstm<T, Weight, true>};
  slot(kernels, CellKernel::reset_before_gru) = {project<T, Weight, 3>, compute_reset_h<T, Weight>,
                                                 reset_before_gru<T, Weight>};
  slot(kernels, CellKernel::no_reset_gru) = {project<T, Weight, 2>, nullptr, no_reset_gru<T, Weight>};
  slot(kernels, CellKernel::clipped_gru) = {project<T, Weight, 3>, nullptr, clipped_gru<T, Weight>};
  slot(kernels, CellKernel::clipped_rnn) = {project<T, Weight, 1>, nullptr, clipped_rnn<T, Weight>};
}

}  // namespace
}  // namespace gatecell
