// The cells: how many gates, and how the step ends. Gate order and equations are PyTorch's. A cell sees the vectors of
// one block and one row; `unit` is the block's first hidden unit, and h and c are rows of all units. kApart is the gate
// whose input part is a chain of its own, -1 for none; `apart` is where that lies.
#pragma once

#include "activations.h"

namespace gatecell {
namespace {

// c' = s(f) c + s(i) tanh(g),   h' = s(o) tanh(c');   gates i f g o
template <class T>
struct Lstm {
  static constexpr int kGates = 4, kApart = -1;
  static GATECELL_INLINE Packet<T> finish(const Packet<T> (&a)[4], const T*, const T*, T* c, std::ptrdiff_t unit) {
    const Packet<T> next = ei::pmadd(sigmoid<T>(a[1]), load(c + unit), sigmoid_tanh<T>(a[0], a[2]));
    ei::pstore(c + unit, next);
    return sigmoid_tanh<T>(a[3], next);
  }
};

// n = tanh(x_n + s(r) h_n),   h' = (1 - s(z)) n + s(z) h;   gates r z n.
// x_n = W_in x + b_in and h_n = W_hn h + b_hn are chains of their own. With z = 1 h comes back exactly.
template <class T>
struct Gru {
  static constexpr int kGates = 3, kApart = 2;
  static GATECELL_INLINE Packet<T> finish(const Packet<T> (&a)[3], const T* apart, const T* h, T*,
                                          std::ptrdiff_t unit) {
    const Packet<T> z = sigmoid<T>(a[1]);
    const Packet<T> n = tanh<T>(ei::pmadd(sigmoid<T>(a[0]), a[2], load(apart)));
    return ei::pmadd(z, load(h + unit), ei::pmul(ei::psub(broadcast(T(1)), z), n));
  }
};

// h' = f(a)
template <class T>
struct Rnn {
  static constexpr int kGates = 1, kApart = -1;
};

template <class T>
struct RnnTanh : Rnn<T> {
  static GATECELL_INLINE Packet<T> finish(const Packet<T> (&a)[1], const T*, const T*, T*, std::ptrdiff_t) {
    return tanh<T>(a[0]);
  }
};

template <class T>
struct RnnRelu : Rnn<T> {
  static GATECELL_INLINE Packet<T> finish(const Packet<T> (&a)[1], const T*, const T*, T*, std::ptrdiff_t) {
    return ei::pmax(a[0], broadcast(T(0)));  // NaN stays NaN: first operand
  }
};

}  // namespace
}  // namespace gatecell
