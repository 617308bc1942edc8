// PyTorch's cells: the number of gates of each, and how it ends a step. Gate order and equations are PyTorch's.
//
// finish() computes the new state of some places: N blocks of a row, or N rows of a block. a(gate) loads the
// pre-activations of a gate. The gates come one after the other, each for all N vectors, because one vector alone waits
// for the latency of each operation. finish() returns h. The LSTM also stores c. kSplitGate is the gate that has two
// chains; -1: none. For this gate `a` has only the chain of the recurrent products, and split_input() loads the chain
// of the input products.
#pragma once

#include "activations.h"
#include "places.h"
#include "table.h"

namespace gatecell {
namespace {

// c' = s(f) c + s(i) tanh(g),   h' = s(o) tanh(c');   gates i f g o
template <class T>
struct Lstm {
  static constexpr int kGates = 4, kSplitGate = -1;
  template <int N, class Sums, class SplitInput>
  static GATECELL_INLINE Vectors<T, N> finish(const StepArgs<T>& s, const Places<T, N>& at, const Sums& a,
                                              const SplitInput&) {
    const Vectors<T, N> input = sigmoid_tanh(a(0), a(2));
    const Vectors<T, N> c = multiply_add(sigmoid(a(1)), at.load(s.c, s.c_row), input);
    at.store(s.c, s.c_row, c);
    return sigmoid_tanh(a(3), c);
  }
};

// h' = (1 - z) n + z h. If z is 1, h' is exactly h.
template <class T, int N>
GATECELL_INLINE Vectors<T, N> gru_output(const Vectors<T, N>& z, const Vectors<T, N>& n, const Vectors<T, N>& h) {
  return multiply_add(z, h, (T(1) - z) * n);
}

// n = tanh(x_n + s(r) h_n),   h' = (1 - s(z)) n + s(z) h;   gates r z n
// x_n = W_in x + b_in and h_n = W_hn h + b_hn are two chains.
template <class T>
struct Gru {
  static constexpr int kGates = 3, kSplitGate = 2;
  template <int N, class Sums, class SplitInput>
  static GATECELL_INLINE Vectors<T, N> finish(const StepArgs<T>& s, const Places<T, N>& at, const Sums& a,
                                              const SplitInput& split_input) {
    const Vectors<T, N> n = tanh(multiply_add(sigmoid(a(0)), a(2), split_input()));
    return gru_output(sigmoid(a(1)), n, at.load(s.h, s.h_row));
  }
};

// h' = tanh(a), or relu(a). One kernel with a branch is smaller than two kernels.
template <class T>
struct Rnn {
  static constexpr int kGates = 1, kSplitGate = -1;
  template <int N, class Sums, class SplitInput>
  static GATECELL_INLINE Vectors<T, N> finish(const StepArgs<T>& s, const Places<T, N>&, const Sums& a,
                                              const SplitInput&) {
    if (!s.relu) return tanh(a(0));
    const Vectors<T, N> sum = a(0);
    return Vectors<T, N>::make([&](int i) GATECELL_ALWAYS { return relu<T>(sum.at[i]); });
  }
};

}  // namespace
}  // namespace gatecell
