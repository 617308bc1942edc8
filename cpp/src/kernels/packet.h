// Vector registers and the operations kernels may use on them, by Eigen's packet layer.
//
// Arithmetic only (add, multiply, multiply-add, divide, min, max, shift): these round the same way on every machine
// with FMA, which makes results equal bit for bit across AVX2, AVX-512 and NEON. No reciprocal estimate, no library
// exp.
#pragma once

#include <Eigen/Core>
#include <cstddef>
#include <cstring>
#include <type_traits>

#define GATECELL_INLINE inline __attribute__((always_inline))
#define GATECELL_ALWAYS __attribute__((always_inline))

// Loops over accumulators must unroll completely, or the accumulators live in memory instead of registers.
#ifdef __clang__
#define GATECELL_UNROLL _Pragma("clang loop unroll(full)")
#else
#define GATECELL_UNROLL _Pragma("GCC unroll 32")
#endif

#if defined(__arm__)  // 32 bits: the packet of double is a double, which Eigen 3.4 does not fuse
template <>
EIGEN_STRONG_INLINE double Eigen::internal::pmadd(const double& a, const double& b, const double& c) {
  return __builtin_fma(a, b, c);
}
#endif

namespace gatecell {
namespace {

namespace ei = Eigen::internal;

template <class T>
using Packet = typename ei::packet_traits<T>::type;

template <class T>
constexpr int kLanes = ei::unpacket_traits<Packet<T>>::size;

#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kRegisters = 32;
#else
constexpr int kRegisters = 16;
#endif

// Independent multiply-adds that keep the units busy: latency times units, of which wide ARM cores have four.
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

// Keeps a loaded vector in its register. Without it gcc folds the load into each of several multiply-adds and reads the
// panel again for every row: 84 instead of 97 GFLOP/s at two rows.
template <class P>
GATECELL_INLINE P keep(P p) {
#if defined(__AVX512F__)
  asm("" : "+v"(p));
#elif defined(__x86_64__)
  asm("" : "+x"(p));
#elif defined(__aarch64__) || defined(__arm__)
  asm("" : "+w"(p));
#endif
  return p;
}

// max(p, 0), where NaN and -0 stay what they are. Eigen's pmax gives that on x86 only.
template <class T>
GATECELL_INLINE Packet<T> relu(const Packet<T>& p) {
  const Packet<T> zero = broadcast(T(0));
#if defined(__x86_64__)
  return ei::pmax(p, zero);
#else
  return ei::pselect(ei::pcmp_lt(p, zero), zero, p);
#endif
}

// The same bits as another type; compiles to nothing.
template <class To, class From>
GATECELL_INLINE To bit_cast(const From& from) {
  static_assert(sizeof(To) == sizeof(From), "");
  To to;
  std::memcpy(static_cast<void*>(&to), &from, sizeof(to));
  return to;
}

// Eigen's division of 32-bit ARM is an estimate.
template <class T>
GATECELL_INLINE Packet<T> divide(const Packet<T>& a, const Packet<T>& b) {
#if defined(__arm__)
  return a / b;
#else
  return ei::pdiv(a, b);
#endif
}

// Lanes shifted left as 32-bit integers, whatever T is: every Eigen has this shift, not every one the 64-bit one.
template <int N, class T>
GATECELL_INLINE Packet<T> shift_left_32(const Packet<T>& p) {
#if defined(__arm__)
  using Int = std::conditional_t<sizeof(T) == 4, ei::Packet4i, ei::Packet2i>;
#else
  using Int = typename ei::unpacket_traits<Packet<float>>::integer_packet;
#endif
  return bit_cast<Packet<T>>(ei::plogical_shift_left<N>(bit_cast<Int>(p)));
}

// First `count` lanes of a full vector in memory; at most W.
template <class T>
GATECELL_INLINE void store_first(T* to, const T* from, std::ptrdiff_t count) {
  for (std::ptrdiff_t i = 0; i < count; ++i) to[i] = from[i];
}

}  // namespace
}  // namespace gatecell
