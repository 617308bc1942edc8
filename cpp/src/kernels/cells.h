// PyTorch's cells: the number of gates of each, and how it ends a step. Gate order and equations are PyTorch's.
//
// finish() gets the pre-activations `a` of one row and one block; the first hidden unit of the block is `unit`. It
// returns h. The LSTM also stores c. kSplitGate is the gate that has two chains; -1: none. For this gate `a` has only
// the chain of the recurrent products. The chain of the input products is at `split_input`.
#pragma once

#include "activations.h"
#include "table.h"

namespace gatecell {
namespace {

// c' = s(f) c + s(i) tanh(g),   h' = s(o) tanh(c');   gates i f g o
template <class T>
struct Lstm {
  static constexpr int kGates = 4, kSplitGate = -1;
  static GATECELL_INLINE Packet<T> finish(const StepArgs<T>& s, const Packet<T> (&a)[4], const T*, std::ptrdiff_t row,
                                          std::ptrdiff_t unit) {
    T* c = s.c + row * s.c_row + unit;
    const Packet<T> next = ei::pmadd(sigmoid<T>(a[1]), load(c), sigmoid_tanh<T>(a[0], a[2]));
    ei::pstore(c, next);
    return sigmoid_tanh<T>(a[3], next);
  }
};

// n = tanh(x_n + s(r) h_n),   h' = (1 - s(z)) n + s(z) h;   gates r z n
// x_n = W_in x + b_in and h_n = W_hn h + b_hn are two chains. If s(z) is 1, h' is exactly h.
template <class T>
struct Gru {
  static constexpr int kGates = 3, kSplitGate = 2;
  static GATECELL_INLINE Packet<T> finish(const StepArgs<T>& s, const Packet<T> (&a)[3], const T* split_input,
                                          std::ptrdiff_t row, std::ptrdiff_t unit) {
    const Packet<T> z = sigmoid<T>(a[1]);
    const Packet<T> n = tanh<T>(ei::pmadd(sigmoid<T>(a[0]), a[2], load(split_input)));
    return ei::pmadd(z, load(s.h + row * s.h_row + unit), ei::pmul(ei::psub(broadcast(T(1)), z), n));
  }
};

// h' = tanh(a), or relu(a). One kernel with a branch is smaller than two kernels.
template <class T>
struct Rnn {
  static constexpr int kGates = 1, kSplitGate = -1;
  static GATECELL_INLINE Packet<T> finish(const StepArgs<T>& s, const Packet<T> (&a)[1], const T*, std::ptrdiff_t,
                                          std::ptrdiff_t) {
    return s.relu ? relu<T>(a[0]) : tanh<T>(a[0]);
  }
};

}  // namespace
}  // namespace gatecell
