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

#include "vectors.h"

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

// 2^n for the integer n nearest to x / ln 2. Adding 1.5 * 2^(mantissa bits) rounds to an integer and leaves that
// integer in the low bits. The constant also adds the exponent's bias, so one shift makes 2^n.
template <class T, int N>
struct Power {
  Vectors<T, N> n, scale;  // scale = 2^n
};

template <int N>
GATECELL_INLINE Power<float, N> round_to_power(const Vectors<float, N>& x) {
  using V = Vectors<float, N>;
  const V magic = 12582912.f + 127.f;  // 1.5 * 2^23
  const V sum = multiply_add(x, V(ExpConstants<float>::kLog2e), magic);
  return {sum - magic, V::make([&](int i) GATECELL_ALWAYS { return shift_left_32<23, float>(sum.at[i]); })};
}

template <int N>
GATECELL_INLINE Power<double, N> round_to_power(const Vectors<double, N>& x) {
  using V = Vectors<double, N>;
  const V magic = 6755399441055744.;  // 1.5 * 2^52
  const V n = multiply_add(x, V(ExpConstants<double>::kLog2e), magic) - magic;
  // With 1.5 * 2^20 the integer is in the low bits of the high word, and the low word is zero. So a 32-bit shift is
  // enough.
  const V sum = n + (1572864. + 1023.);
  return {n, V::make([&](int i) GATECELL_ALWAYS { return shift_left_32<20, double>(sum.at[i]); })};
}

template <class T, int N>
struct Exp {
  Vectors<T, N> scale, q;  // e^x = scale * (1 + q)
};

// x must be in [kUnderflow, kOverflow], or NaN.
template <class T, int N>
GATECELL_INLINE Exp<T, N> exp_parts(const Vectors<T, N>& x) {
  using C = ExpConstants<T>;
  using V = Vectors<T, N>;
  const Power<T, N> power = round_to_power(x);
  V r = multiply_add(power.n, V(-C::kLn2High), x);
  r = multiply_add(power.n, V(-C::kLn2Low), r);
  constexpr int degree = sizeof(C::kP) / sizeof(T) - 1;
  V p = C::kP[degree];
  GATECELL_UNROLL
  for (int i = degree - 1; i >= 0; --i) p = multiply_add(p, r, V(C::kP[i]));
  return {power.scale, multiply_add(p, r * r, r)};
}

// Bounds x to [low, high]; NaN stays. For that x must be the first operand: Eigen's pmin and pmax return the first
// operand if one of the two is NaN.
template <class T, int N>
GATECELL_INLINE Vectors<T, N> clamp(const Vectors<T, N>& x, T low, T high) {
  return Vectors<T, N>::make(
      [&](int i) GATECELL_ALWAYS { return ei::pmin(ei::pmax(x.at[i], broadcast(low)), broadcast(high)); });
}

// 1 + e^-x. Infinite if e^-x is infinite.
template <class T, int N>
GATECELL_INLINE Vectors<T, N> one_plus_exp_neg(const Vectors<T, N>& x) {
  using C = ExpConstants<T>;
  using V = Vectors<T, N>;
  const V negative = V::make([&](int i) GATECELL_ALWAYS { return ei::pnegate(x.at[i]); });
  const Exp<T, N> e = exp_parts(clamp(negative, C::kUnderflow, C::kOverflow));
  return multiply_add(e.scale, V(T(1)) + e.q, V(T(1)));
}

// e^2x - 1. 2x is bounded to +-kTanhBound; beyond, tanh(x) is +-1 anyway.
template <class T, int N>
GATECELL_INLINE Vectors<T, N> expm1_twice(const Vectors<T, N>& x) {
  using C = ExpConstants<T>;
  const Exp<T, N> e = exp_parts(clamp(x + x, -C::kTanhBound, C::kTanhBound));
  return multiply_add(e.scale, e.q, e.scale - T(1));
}

template <class T, int N>
GATECELL_INLINE Vectors<T, N> sigmoid(const Vectors<T, N>& x) {
  return Vectors<T, N>(T(1)) / one_plus_exp_neg(x);
}

template <class T, int N>
GATECELL_INLINE Vectors<T, N> tanh(const Vectors<T, N>& x) {
  const Vectors<T, N> u = expm1_twice(x);
  return u / (u + T(2));
}

// sigmoid(a) * tanh(b) with one division, for LSTM's i*g and o*tanh(c). The denominator can overflow only if sigmoid(a)
// is below 1e-30; the result is then 0.
template <class T, int N>
GATECELL_INLINE Vectors<T, N> sigmoid_tanh(const Vectors<T, N>& a, const Vectors<T, N>& b) {
  const Vectors<T, N> u = expm1_twice(b);
  return u / (one_plus_exp_neg(a) * (u + T(2)));
}

}  // namespace
}  // namespace gatecell
