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
  add_product<T, Weight, G>(s, in.data, in.row, G * W, s.panels, s.depth, s.h, s.h_row, s.sums, s.sums_row);
  for (int gate = 0; gate < 3; ++gate) {
    if (!e.peephole_panels[gate].weights) continue;
    T* sums = s.sums + kPosition[gate] * W;
    add_product<T, Weight, 1>(s, sums, s.sums_row, G * W, e.peephole_panels[gate], s.units, s.c, s.c_row, sums,
                              s.sums_row);
  }
  for_sums<T, G>(s, [&](std::ptrdiff_t block, std::ptrdiff_t unit, std::ptrdiff_t row, const T* sums) GATECELL_ALWAYS {
    const Packet<T> c = load(s.c + row * s.c_row + unit);
    const auto sum = [&](int gate, const Packet<T>& seen) GATECELL_ALWAYS {
      const Packet<T> a = load(sums + kPosition[gate] * W);
      return clip<T>(e.peepholes[gate] ? ei::pmadd(load(e.peepholes[gate] + unit), seen, a) : a, e.gate_clip);
    };
    const Packet<T> g = clip<T>(load(sums + (G - 2) * W), e.gate_clip);
    Packet<T> next;
    if constexpr (kCoupled) {
      const Packet<T> i = sigmoid<T>(sum(0, c));
      next = ei::pmadd(ei::psub(broadcast(T(1)), i), c, ei::pmul(i, tanh<T>(g)));
    } else {
      next = ei::pmadd(sigmoid<T>(sum(1, c)), c, sigmoid_tanh<T>(sum(0, c), g));
    }
    next = clip<T>(next, e.cell_clip);
    ei::pstore(s.c_next + row * s.c_row + unit, next);
    store_h(s, sigmoid_tanh<T>(sum(2, next), next), block, row);
  });
}

// h' = (1 - z) n + z h
template <class T>
GATECELL_INLINE Packet<T> gru_output(const Packet<T>& z, const Packet<T>& n, const T* h) {
  return ei::pmadd(z, load(h), ei::pmul(ei::psub(broadcast(T(1)), z), n));
}

// r = s([a_r]),   z = s([a_z]),   n = tanh([x_n + W_hn (r h)]),   h' = (1 - z) n + z h;   gates r z n
// The product with r h needs r of all units, so this is two functions. The first one computes r h.
template <class T, class Weight>
void compute_reset_h(const StepArgs<T>& s) {
  constexpr int W = kLanes<T>;
  const InputSums<T> in = compute_input_sums<T, Weight, 3>(s);
  add_product<T, Weight, 2>(s, in.data, in.row, 3 * W, s.panels, s.depth, s.h, s.h_row, s.sums, s.sums_row);
  for_sums<T, 3>(s, [&](std::ptrdiff_t, std::ptrdiff_t unit, std::ptrdiff_t row, const T* sums) GATECELL_ALWAYS {
    const Packet<T> r = sigmoid<T>(clip<T>(load(sums), s.extended->gate_clip));
    ei::pstore(s.reset_h + row * s.h_next_row + unit, ei::pmul(r, load(s.h + row * s.h_row + unit)));
  });
}

template <class T, class Weight>
void reset_before_gru(const StepArgs<T>& s) {
  constexpr int W = kLanes<T>;
  const InputSums<T> in = input_sums(s);
  add_product<T, Weight, 1>(s, in.data + 2 * W, in.row, 3 * W, s.extended->candidate_panels, s.depth, s.reset_h,
                            s.h_next_row, s.sums + 2 * W, s.sums_row);
  for_sums<T, 3>(s, [&](std::ptrdiff_t block, std::ptrdiff_t unit, std::ptrdiff_t row, const T* sums) GATECELL_ALWAYS {
    const Packet<T> z = sigmoid<T>(clip<T>(load(sums + W), s.extended->gate_clip));
    const Packet<T> n = tanh<T>(clip<T>(load(sums + 2 * W), s.extended->gate_clip));
    store_h(s, gru_output(z, n, s.h + row * s.h_row + unit), block, row);
  });
}

// z = s([a_z]),   n = tanh([a_n]),   h' = (1 - z) n + z h;   gates z n
template <class T, class Weight>
void no_reset_gru(const StepArgs<T>& s) {
  constexpr int W = kLanes<T>;
  const InputSums<T> in = compute_input_sums<T, Weight, 2>(s);
  add_product<T, Weight, 2>(s, in.data, in.row, 2 * W, s.panels, s.depth, s.h, s.h_row, s.sums, s.sums_row);
  for_sums<T, 2>(s, [&](std::ptrdiff_t block, std::ptrdiff_t unit, std::ptrdiff_t row, const T* sums) GATECELL_ALWAYS {
    const Packet<T> z = sigmoid<T>(clip<T>(load(sums), s.extended->gate_clip));
    const Packet<T> n = tanh<T>(clip<T>(load(sums + W), s.extended->gate_clip));
    store_h(s, gru_output(z, n, s.h + row * s.h_row + unit), block, row);
  });
}

// r = s([a_r]),   z = s([a_z]),   n = tanh([x_n + r (W_hn h + b_hn)]),   h' = (1 - z) n + z h;   gates r z n
template <class T, class Weight>
void clipped_gru(const StepArgs<T>& s) {
  constexpr int W = kLanes<T>;
  const ExtendedArgs<T>& e = *s.extended;
  const InputSums<T> in = compute_input_sums<T, Weight, 3>(s);
  add_product<T, Weight, 2>(s, in.data, in.row, 3 * W, s.panels, s.depth, s.h, s.h_row, s.sums, s.sums_row);
  add_product<T, Weight, 1>(s, s.recurrent_bias, 0, W, e.candidate_panels, s.depth, s.h, s.h_row, s.reset_h,
                            s.h_next_row);
  for_sums<T, 3>(s, [&](std::ptrdiff_t block, std::ptrdiff_t unit, std::ptrdiff_t row, const T* sums) GATECELL_ALWAYS {
    const Packet<T> r = sigmoid<T>(clip<T>(load(sums), e.gate_clip));
    const Packet<T> z = sigmoid<T>(clip<T>(load(sums + W), e.gate_clip));
    const Packet<T> x = load(in.data + row * in.row + block * 3 * W + 2 * W);
    const Packet<T> n = tanh<T>(clip<T>(ei::pmadd(r, load(s.reset_h + row * s.h_next_row + unit), x), e.gate_clip));
    store_h(s, gru_output(z, n, s.h + row * s.h_row + unit), block, row);
  });
}

// h' = tanh([a]) or relu([a])
template <class T, class Weight>
void clipped_rnn(const StepArgs<T>& s) {
  const InputSums<T> in = compute_input_sums<T, Weight, 1>(s);
  add_product<T, Weight, 1>(s, in.data, in.row, kLanes<T>, s.panels, s.depth, s.h, s.h_row, s.sums, s.sums_row);
  for_sums<T, 1>(s, [&](std::ptrdiff_t block, std::ptrdiff_t unit, std::ptrdiff_t row, const T* sums) GATECELL_ALWAYS {
    const Packet<T> a[1] = {clip<T>(load(sums), s.extended->gate_clip)};
    store_h(s, Rnn<T>::finish(s, a, nullptr, row, unit), block, row);
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
