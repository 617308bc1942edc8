// Sigmoid and tanh, for float and double.
//
//   e^x = 2^n (1 + q),   n = round(x / ln 2),   r = x - n ln 2,   q = e^r - 1 = r + r^2 p(r),   |r| <= ln(2)/2
//   sigmoid(x) = 1 / (1 + e^-x)          tanh(x) = u / (u + 2),  u = e^2x - 1
//
// The relative error is at most 5e-7 (double: 1e-15) for all normal results. That holds for tiny arguments too, because
// u keeps the digits that 1 - e^-2x would lose to cancellation. Saturated results are exactly 1. NaN gives NaN. p comes
// from fit_exp.py. Eigen has such functions, but they differ between its versions, its logistic has a relative error of
// 7.7e-4 near -8, and Eigen 3.4 has no tanh for double.
#pragma once

#include "packet.h"

namespace gatecell {
namespace {

template <class T>
struct ExpConstants;

template <>
struct ExpConstants<float> {
  // ln 2 is the sum of two numbers. n * kLn2High is exact, so that r is right without FMA too.
  static constexpr float kLog2e = 1.44269504088896341f, kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
  // At kOverflow 2^n is infinite and q > 0. At kUnderflow 2^n is 0. Between them e^x is right, except that it is
  // already infinite in the last half power of two below the largest number.
  static constexpr float kOverflow = 89.f, kUnderflow = -88.f;
  static constexpr float kTanhBound = 19.f;  // for 2x: above it, u + 2 == u
  static constexpr float kP[] = {0.5f, 0.16666533547876657f, 0.04166723989146023f, 0.008367542475504239f,
                                 0.0013863733808268484f};
};

template <>
struct ExpConstants<double> {
  static constexpr double kLog2e = 1.44269504088896341, kLn2High = 0.693145751953125, kLn2Low = 1.42860682030941723e-6;
  static constexpr double kOverflow = 709.9, kUnderflow = -709.;
  static constexpr double kTanhBound = 40.;
  static constexpr double kP[] = {0.5,
                                  0.16666666666666431325,
                                  0.041666666666603495925,
                                  0.0083333333335011860292,
                                  0.0013888888927005741869,
                                  0.00019841269464317406811,
                                  0.000024801508392667165259,
                                  2.755764189900062148e-6,
                                  2.7625312055419449472e-7,
                                  2.4978291717483032997e-8};
};

// Adding 1.5 * 2^(mantissa bits) rounds to an integer and leaves that integer in the low bits. The constant also adds
// the exponent's bias, so one shift makes 2^n.
template <class T>
struct Power {
  Packet<T> n, scale;  // scale = 2^n
};

GATECELL_INLINE Power<float> round_to_power(Packet<float> x) {
  const Packet<float> magic = broadcast(12582912.f + 127.f);  // 1.5 * 2^23
  const Packet<float> sum = ei::pmadd(x, broadcast(ExpConstants<float>::kLog2e), magic);
  return {ei::psub(sum, magic), shift_left_32<23, float>(sum)};
}

GATECELL_INLINE Power<double> round_to_power(Packet<double> x) {
  const Packet<double> magic = broadcast(6755399441055744.);  // 1.5 * 2^52
  const Packet<double> n = ei::psub(ei::pmadd(x, broadcast(ExpConstants<double>::kLog2e), magic), magic);
  // With 1.5 * 2^20 the integer is in the low bits of the high word, and the low word is zero. So a 32-bit shift is
  // enough.
  return {n, shift_left_32<20, double>(ei::padd(n, broadcast(1572864. + 1023.)))};
}

template <class T>
struct Exp {
  Packet<T> scale, q;  // e^x = scale * (1 + q)
};

// x must be in [kUnderflow, kOverflow], or NaN.
template <class T>
GATECELL_INLINE Exp<T> exp_parts(Packet<T> x) {
  using C = ExpConstants<T>;
  const Power<T> power = round_to_power(x);
  Packet<T> r = ei::pmadd(power.n, broadcast(-C::kLn2High), x);
  r = ei::pmadd(power.n, broadcast(-C::kLn2Low), r);
  constexpr int degree = sizeof(C::kP) / sizeof(T) - 1;
  Packet<T> p = broadcast(C::kP[degree]);
  GATECELL_UNROLL
  for (int i = degree - 1; i >= 0; --i) p = ei::pmadd(p, r, broadcast(C::kP[i]));
  return {power.scale, ei::pmadd(p, ei::pmul(r, r), r)};
}

// x must be the first operand: Eigen's pmin and pmax return the first operand if one of the two is NaN.
template <class T>
GATECELL_INLINE Packet<T> clamp(Packet<T> x, T low, T high) {
  return ei::pmin(ei::pmax(x, broadcast(low)), broadcast(high));
}

// 1 + e^-x. Infinite if e^-x is infinite.
template <class T>
GATECELL_INLINE Packet<T> one_plus_exp_neg(Packet<T> x) {
  using C = ExpConstants<T>;
  const Packet<T> one = broadcast(T(1));
  const Exp<T> e = exp_parts<T>(clamp<T>(ei::pnegate(x), C::kUnderflow, C::kOverflow));
  return ei::pmadd(e.scale, ei::padd(one, e.q), one);
}

// e^2x - 1. 2x is bounded to +-kTanhBound; beyond, tanh(x) is +-1 anyway.
template <class T>
GATECELL_INLINE Packet<T> expm1_twice(Packet<T> x) {
  using C = ExpConstants<T>;
  const Exp<T> e = exp_parts<T>(clamp<T>(ei::padd(x, x), -C::kTanhBound, C::kTanhBound));
  return ei::pmadd(e.scale, e.q, ei::psub(e.scale, broadcast(T(1))));
}

template <class T>
GATECELL_INLINE Packet<T> sigmoid(Packet<T> x) {
  return divide<T>(broadcast(T(1)), one_plus_exp_neg<T>(x));
}

template <class T>
GATECELL_INLINE Packet<T> tanh(Packet<T> x) {
  const Packet<T> u = expm1_twice<T>(x);
  return divide<T>(u, ei::padd(u, broadcast(T(2))));
}

// sigmoid(a) * tanh(b) with one division, for LSTM's i*g and o*tanh(c). The denominator can overflow only if sigmoid(a)
// is below 1e-30; the result is then 0.
template <class T>
GATECELL_INLINE Packet<T> sigmoid_tanh(Packet<T> a, Packet<T> b) {
  const Packet<T> u = expm1_twice<T>(b);
  return divide<T>(u, ei::pmul(one_plus_exp_neg<T>(a), ei::padd(u, broadcast(T(2)))));
}

}  // namespace
}  // namespace gatecell
