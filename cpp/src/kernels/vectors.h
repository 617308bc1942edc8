// Several vector registers that go through the same operations side by side. One vector alone waits for the latency of
// each operation; the others fill this time.
#pragma once

#include "packet.h"

namespace gatecell {
namespace {

// N vectors. A number stands for N vectors of that number in all lanes.
template <class T, int N>
struct Vectors {
  Packet<T> at[N];

  GATECELL_INLINE Vectors() {}
  // Vector by vector, because GCC copies an array through memory.
  GATECELL_INLINE Vectors(const Vectors& v) { *this = v; }
  GATECELL_INLINE Vectors& operator=(const Vectors& v) {
    repeat<N>([&](auto i) GATECELL_ALWAYS { at[i.value] = v.at[i.value]; });
    return *this;
  }
  GATECELL_INLINE Vectors(T value) : Vectors(make([&](int) GATECELL_ALWAYS { return broadcast(value); })) {}

  // f(0), ... f(N - 1).
  template <class F>
  static GATECELL_INLINE Vectors make(const F& f) {
    Vectors v;
    repeat<N>([&](auto i) GATECELL_ALWAYS { v.at[i.value] = f(i.value); });
    return v;
  }

  friend GATECELL_INLINE Vectors operator+(const Vectors& a, const Vectors& b) {
    return make([&](int i) GATECELL_ALWAYS { return ei::padd(a.at[i], b.at[i]); });
  }
  friend GATECELL_INLINE Vectors operator-(const Vectors& a, const Vectors& b) {
    return make([&](int i) GATECELL_ALWAYS { return ei::psub(a.at[i], b.at[i]); });
  }
  friend GATECELL_INLINE Vectors operator*(const Vectors& a, const Vectors& b) {
    return make([&](int i) GATECELL_ALWAYS { return ei::pmul(a.at[i], b.at[i]); });
  }
  friend GATECELL_INLINE Vectors operator/(const Vectors& a, const Vectors& b) {
    return make([&](int i) GATECELL_ALWAYS { return divide<T>(a.at[i], b.at[i]); });
  }
  // a * b + c, fused where the instruction set can do that.
  friend GATECELL_INLINE Vectors multiply_add(const Vectors& a, const Vectors& b, const Vectors& c) {
    return make([&](int i) GATECELL_ALWAYS { return ei::pmadd(a.at[i], b.at[i], c.at[i]); });
  }
};

}  // namespace
}  // namespace gatecell
