// The vectorised exponential:
//   exp(x) = 2^n * exp(r),  n = round(x / ln 2),  r = x - n * ln 2 in [-ln 2 / 2, ln 2 / 2]
//   exp(r) = 1 + (r + r^2 * P(r)),  P of degree 4, a minimax fit of relative error 3.1e-9
#pragma once

#include "kernels/simd/float_vector.h"

namespace flexinfer::simd {

inline constexpr float kExpLowest = -104.0f;  // exp of it and of anything below rounds to 0
inline constexpr float kExpHighest = 89.0f;   // exp of it and of anything above is infinite
inline constexpr float kTanhHighest = 10.0f;  // tanh of it and of anything above rounds to 1
inline constexpr float kLog2E = 1.44269504f;
inline constexpr float kLn2High = 0x1.62e430p-1f;   // ln 2 rounded to a float
inline constexpr float kLn2Low = -0x1.05c610p-29f;  // what that leaves
// P, from its highest term downwards.
inline constexpr float kExpPolynomial[] = {0x1.6a2434p-10f, 0x1.1239e2p-7f, 0x1.5558f2p-5f, 0x1.555492p-3f,
                                           0x1.fffffcp-2f};

// exp(x) = 2^n * (1 + part), |part| < 0.42.
template <class Isa>
struct SplitPower {
  typename Isa::Float n;
  typename Isa::Float part;
};

template <class Isa>
[[gnu::always_inline]] inline SplitPower<Isa> split_power(typename Isa::Float x) {
  const auto n = Isa::round(x * Isa::broadcast(kLog2E));
  auto r = Isa::multiply_add(n, Isa::broadcast(-kLn2High), x);
  r = Isa::multiply_add(n, Isa::broadcast(-kLn2Low), r);
  auto p = Isa::broadcast(kExpPolynomial[0]);
#pragma GCC unroll 4
  for (int i = 1; i < 5; i++)
    p = Isa::multiply_add(p, r, Isa::broadcast(kExpPolynomial[i]));
  return {n, Isa::multiply_add(r * r, p, r)};
}

// e to the power of every lane, within one unit in the last place; NaN stays NaN.
template <class Isa>
[[gnu::always_inline]] inline typename Isa::Float exponential(typename Isa::Float x) {
  x = Isa::max(Isa::broadcast(kExpLowest), x);  // in this order: the second operand is what a NaN yields
  x = Isa::min(Isa::broadcast(kExpHighest), x);
  const SplitPower<Isa> power = split_power<Isa>(x);
  return Isa::scale_by_power(power.part + Isa::broadcast(1.0f), power.n);
}

// The hyperbolic tangent of every lane, within a few units in the last place: e / (e + 2), e = exp(2x) - 1,
// without the cancellation near 0. NaN stays NaN.
template <class Isa>
[[gnu::always_inline]] inline typename Isa::Float tangent(typename Isa::Float x) {
  const auto one = Isa::broadcast(1.0f);
  x = Isa::max(Isa::broadcast(-kTanhHighest), x);
  x = Isa::min(Isa::broadcast(kTanhHighest), x);
  const SplitPower<Isa> power = split_power<Isa>(x + x);
  const auto scale = Isa::scale_by_power(one, power.n);
  const auto e = Isa::multiply_add(scale, power.part, scale - one);
  return e / (e + Isa::broadcast(2.0f));
}

}  // namespace flexinfer::simd
