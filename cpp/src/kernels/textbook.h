// The cells that PyTorch has not. Few networks have them, so they share project's tiles: the gates' sums go through
// memory, and a second pass finishes the cell. [a] is a bounded by gate_clip; gates and the chains of their sums are as
// in PyTorch's cells, peepholes come last.
#pragma once

#include "project.h"
#include "step.h"

namespace gatecell {
namespace {

// Both bounds may be infinite; NaN stays.
template <class T>
GATECELL_INLINE Packet<T> clip(Packet<T> a, T bound) {
  return clamp<T>(a, -bound, bound);
}

// out += W x for G gates, in `block_step` of the gates' memory.
template <class T, int G>
GATECELL_INLINE void add(const StepArgs<T>& s, const T* start, std::ptrdiff_t start_row, std::ptrdiff_t block_step,
                         const T* panels, std::ptrdiff_t depth, const T* x, std::ptrdiff_t x_row, T* out,
                         std::ptrdiff_t out_row) {
  project<T, G>({panels, start, start_row, block_step, s.first_block, s.last_block, depth, s.rows, x, x_row, nullptr,
                 out, out_row, s.backwards});
}

// The input's part of all G gates, projected before or in `sums`.
template <class T>
struct Inputs {
  const T* data;
  std::ptrdiff_t row;
};

template <class T>
GATECELL_INLINE Inputs<T> inputs(const StepArgs<T>& s) {
  return s.projected ? Inputs<T>{s.projected, s.projected_row} : Inputs<T>{s.sums, s.sums_row};
}

template <class T, int G>
GATECELL_INLINE Inputs<T> computed_inputs(const StepArgs<T>& s) {
  if (!s.projected) {
    project<T, G>({s.input_panels, s.bias, 0, G * kLanes<T>, s.first_block, s.last_block, s.input_depth, s.rows, s.x,
                   s.x_row, s.x_index, s.sums, s.sums_row, s.backwards});
  }
  return inputs(s);
}

// f(block, its first unit, row, sums of G gates) for every block and row.
template <class T, int G, class F>
GATECELL_INLINE void for_units(const StepArgs<T>& s, const F& f) {
  for (std::ptrdiff_t row = 0; row < s.rows; ++row) {
    const T* sums = s.sums + row * s.sums_row;
    for (std::ptrdiff_t block = s.first_block; block < s.last_block; ++block) {
      f(block, block * kLanes<T>, row, sums + block * G * kLanes<T>);
    }
  }
}

// i = s([a_i + p_i c]),  f alike or 1 - i,  g = tanh([a_g]),  c' = f c + i g within +-cell_clip,
// o = s([a_o + p_o c']),  h' = o tanh(c');   gates i f g o, or coupled i g o.
// With matrices for peepholes all three see c: a_i + P_i c, a_f + P_f c, a_o + P_o c.
template <class T, bool kCoupled>
void textbook_lstm(const StepArgs<T>& s) {
  constexpr int W = kLanes<T>, G = kCoupled ? 3 : 4;
  constexpr int kPlace[3] = {0, 1, G - 1};  // of i f o
  const Extras<T>& e = *s.extras;
  const Inputs<T> in = computed_inputs<T, G>(s);
  add<T, G>(s, in.data, in.row, G * W, s.panels, s.depth, s.h, s.h_row, s.sums, s.sums_row);
  for (int gate = 0; gate < 3; ++gate) {
    if (!e.peephole_panels[gate]) continue;
    T* sums = s.sums + kPlace[gate] * W;
    add<T, 1>(s, sums, s.sums_row, G * W, e.peephole_panels[gate], s.units, s.c, s.c_row, sums, s.sums_row);
  }
  for_units<T, G>(s, [&](std::ptrdiff_t block, std::ptrdiff_t unit, std::ptrdiff_t row, const T* sums) GATECELL_ALWAYS {
    const Packet<T> c = load(s.c + row * s.c_row + unit);
    const auto sum = [&](int gate, const Packet<T>& seen) GATECELL_ALWAYS {
      const Packet<T> a = load(sums + kPlace[gate] * W);
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
    put(s, sigmoid_tanh<T>(sum(2, next), next), block, row);
  });
}

// h' = (1 - z) n + z h
template <class T>
GATECELL_INLINE Packet<T> mixed(const Packet<T>& z, const Packet<T>& n, const T* h) {
  return ei::pmadd(z, load(h), ei::pmul(ei::psub(broadcast(T(1)), z), n));
}

// r = s([a_r]),  z = s([a_z]),  n = tanh([x_n + W_hn (r h)]),  h' as above;   gates r z n.
template <class T>
void reset(const StepArgs<T>& s) {
  constexpr int W = kLanes<T>;
  const Inputs<T> in = computed_inputs<T, 3>(s);
  add<T, 2>(s, in.data, in.row, 3 * W, s.panels, s.depth, s.h, s.h_row, s.sums, s.sums_row);
  for_units<T, 3>(s, [&](std::ptrdiff_t, std::ptrdiff_t unit, std::ptrdiff_t row, const T* sums) GATECELL_ALWAYS {
    const Packet<T> r = sigmoid<T>(clip<T>(load(sums), s.extras->gate_clip));
    ei::pstore(s.reset_h + row * s.h_next_row + unit, ei::pmul(r, load(s.h + row * s.h_row + unit)));
  });
}

template <class T>
void reset_before_gru(const StepArgs<T>& s) {
  constexpr int W = kLanes<T>;
  const Inputs<T> in = inputs(s);
  add<T, 1>(s, in.data + 2 * W, in.row, 3 * W, s.extras->candidate_panels, s.depth, s.reset_h, s.h_next_row,
            s.sums + 2 * W, s.sums_row);
  for_units<T, 3>(s, [&](std::ptrdiff_t block, std::ptrdiff_t unit, std::ptrdiff_t row, const T* sums) GATECELL_ALWAYS {
    const Packet<T> z = sigmoid<T>(clip<T>(load(sums + W), s.extras->gate_clip));
    const Packet<T> n = tanh<T>(clip<T>(load(sums + 2 * W), s.extras->gate_clip));
    put(s, mixed(z, n, s.h + row * s.h_row + unit), block, row);
  });
}

// z = s([a_z]),  n = tanh([a_n]),  h' as above;   gates z n.
template <class T>
void no_reset_gru(const StepArgs<T>& s) {
  constexpr int W = kLanes<T>;
  const Inputs<T> in = computed_inputs<T, 2>(s);
  add<T, 2>(s, in.data, in.row, 2 * W, s.panels, s.depth, s.h, s.h_row, s.sums, s.sums_row);
  for_units<T, 2>(s, [&](std::ptrdiff_t block, std::ptrdiff_t unit, std::ptrdiff_t row, const T* sums) GATECELL_ALWAYS {
    const Packet<T> z = sigmoid<T>(clip<T>(load(sums), s.extras->gate_clip));
    const Packet<T> n = tanh<T>(clip<T>(load(sums + W), s.extras->gate_clip));
    put(s, mixed(z, n, s.h + row * s.h_row + unit), block, row);
  });
}

// r = s([a_r]),  z = s([a_z]),  n = tanh([x_n + r (W_hn h + b_hn)]),  h' as above;   gates r z n.
template <class T>
void clipped_gru(const StepArgs<T>& s) {
  constexpr int W = kLanes<T>;
  const Extras<T>& e = *s.extras;
  const Inputs<T> in = computed_inputs<T, 3>(s);
  add<T, 2>(s, in.data, in.row, 3 * W, s.panels, s.depth, s.h, s.h_row, s.sums, s.sums_row);
  add<T, 1>(s, s.recurrent_bias, 0, W, e.candidate_panels, s.depth, s.h, s.h_row, s.reset_h, s.h_next_row);
  for_units<T, 3>(s, [&](std::ptrdiff_t block, std::ptrdiff_t unit, std::ptrdiff_t row, const T* sums) GATECELL_ALWAYS {
    const Packet<T> r = sigmoid<T>(clip<T>(load(sums), e.gate_clip));
    const Packet<T> z = sigmoid<T>(clip<T>(load(sums + W), e.gate_clip));
    const Packet<T> x = load(in.data + row * in.row + block * 3 * W + 2 * W);
    const Packet<T> n = tanh<T>(clip<T>(ei::pmadd(r, load(s.reset_h + row * s.h_next_row + unit), x), e.gate_clip));
    put(s, mixed(z, n, s.h + row * s.h_row + unit), block, row);
  });
}

// h' = tanh([a]) or relu([a])
template <class T>
void clipped_rnn(const StepArgs<T>& s) {
  const Inputs<T> in = computed_inputs<T, 1>(s);
  add<T, 1>(s, in.data, in.row, kLanes<T>, s.panels, s.depth, s.h, s.h_row, s.sums, s.sums_row);
  for_units<T, 1>(s, [&](std::ptrdiff_t block, std::ptrdiff_t unit, std::ptrdiff_t row, const T* sums) GATECELL_ALWAYS {
    const Packet<T> a[1] = {clip<T>(load(sums), s.extras->gate_clip)};
    put(s, Rnn<T>::finish(s, a, nullptr, row, unit), block, row);
  });
}

}  // namespace
}  // namespace gatecell
