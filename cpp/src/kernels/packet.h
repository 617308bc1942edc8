// Vector registers and the operations that kernels may use on them, from Eigen's packet layer.
//
// Only add, subtract, multiply, multiply-add, divide, min, max, compare, select and shift are allowed. They give the
// same bits on every machine with FMA, so results have the same bits on AVX2, AVX-512 and NEON. Reciprocal estimates
// and exp() of a library would differ.
#pragma once

#include <Eigen/Core>
#include <cstddef>
#include <cstdint>
#include <cstring>

#define GATECELL_INLINE inline __attribute__((always_inline))
#define GATECELL_ALWAYS __attribute__((always_inline))

// Loops over accumulators must be unrolled completely. Otherwise the accumulators are in memory, not in registers.
// Loops around large bodies must not be unrolled.
#ifdef __clang__
#define GATECELL_UNROLL _Pragma("clang loop unroll(full)")
#define GATECELL_ONE_BY_ONE _Pragma("clang loop unroll(disable)")
#else
#define GATECELL_UNROLL _Pragma("GCC unroll 32")
#define GATECELL_ONE_BY_ONE _Pragma("GCC unroll 1")
#endif

#if defined(__arm__)  // 32 bits: a packet of double is one double, and Eigen 3.4 has no fused multiply-add for it
template <>
EIGEN_STRONG_INLINE double Eigen::internal::pmadd(const double& a, const double& b, const double& c) {
  return __builtin_fma(a, b, c);
}
#endif

namespace gatecell {
namespace {

namespace ei = Eigen::internal;

template <int N>
struct Constant {
  static constexpr int value = N;
};

// Calls f(Constant<0>), ... f(Constant<N - 1>). The compiler never sees a loop, so that it keeps arrays in registers.
template <int N, class F>
GATECELL_INLINE void repeat(const F& f) {
  if constexpr (N > 0) {
    repeat<N - 1>(f);
    f(Constant<N - 1>{});
  }
}

template <class T>
using Packet = typename ei::packet_traits<T>::type;

template <class T>
constexpr int kLanes = ei::unpacket_traits<Packet<T>>::size;

#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kRegisters = 32;
#else
constexpr int kRegisters = 16;
#endif

// The registers that a multiply-add needs beside its operands: without FMA the product is in one.
#if defined(__x86_64__) && !defined(__FMA__)
constexpr int kProducts = 1;
#else
constexpr int kProducts = 0;
#endif

// The number of independent chains that keep all multiply-add units busy: latency times units. Wide ARM cores have four
// units.
#if defined(__aarch64__)
constexpr int kChains = 16;
#else
constexpr int kChains = 8;
#endif

template <class T>
GATECELL_INLINE Packet<T> load(const T* p) {
  return ei::pload<Packet<T>>(p);
}

template <class T>
GATECELL_INLINE Packet<T> broadcast(T value) {
  return ei::pset1<Packet<T>>(value);
}

// Makes the compiler keep a loaded vector in a register. Without this, GCC makes the load an operand of each of several
// multiply-adds, and reads the panel again for every row: 84 instead of 97 GFLOP/s at two rows.
template <class P>
GATECELL_INLINE P keep_in_register(P p) {
#if defined(__AVX512F__)
  asm("" : "+v"(p));
#elif defined(__x86_64__)
  asm("" : "+x"(p));
#elif defined(__aarch64__) || defined(__arm__)
  asm("" : "+w"(p));
#endif
  return p;
}

// max(p, 0). NaN and -0 stay as they are. Eigen's pmax does that on x86 only.
template <class T>
GATECELL_INLINE Packet<T> relu(const Packet<T>& p) {
  const Packet<T> zero = broadcast(T(0));
#if defined(__x86_64__)
  return ei::pmax(p, zero);
#else
  return ei::pselect(ei::pcmp_lt(p, zero), zero, p);
#endif
}

// Not pdiv on 32-bit ARM, where Eigen's division is an estimate.
template <class T>
GATECELL_INLINE Packet<T> divide(const Packet<T>& a, const Packet<T>& b) {
#if defined(__arm__)
  return a / b;
#else
  return ei::pdiv(a, b);
#endif
}

// Shifts left 32-bit integers, for any T. The compilers' own vectors, because not every version of Eigen has all casts.
template <int N, class T>
GATECELL_INLINE Packet<T> shift_left_32(const Packet<T>& p) {
  typedef std::uint32_t Words __attribute__((vector_size(sizeof(Packet<T>))));
#if defined(__arm__)  // where a packet of double is a double
  Words words;
  std::memcpy(&words, &p, sizeof(p));
  words <<= N;
  Packet<T> shifted;
  std::memcpy(&shifted, &words, sizeof(p));
  return shifted;
#else
  return (Packet<T>)((Words)p << N);
#endif
}

// Copies the first `count` lanes of a vector that is in memory. count is at most W.
template <class T>
GATECELL_INLINE void store_first(T* to, const T* from, std::ptrdiff_t count) {
  for (std::ptrdiff_t i = 0; i < count; ++i) to[i] = from[i];
}

}  // namespace
}  // namespace gatecell
