// The vectorised exponential:
//   exp(x) = 2^n * exp(r),  n = round(x / ln 2),  r = x - n * ln 2 in [-ln 2 / 2, ln 2 / 2]
//   exp(r) = 1 + (r + r^2 * P(r)),  P of degree 4, a minimax fit of relative error 3.1e-9
#pragma once

#include "kernels/simd/float_vector.h"

namespace flexinfer::simd {

inline constexpr float kExpLowest = -104.0f;  // exp of it and of anything below rounds to 0
inline constexpr float kExpHighest = 89.0f;   // exp of it and of anything above is infinite
inline constexpr float kLog2E = 1.44269504f;
inline constexpr float kLn2High = 0x1.62e430p-1f;   // ln 2 rounded to a float
inline constexpr float kLn2Low = -0x1.05c610p-29f;  // what that leaves
// P, from its highest term downwards.
inline constexpr float kExpPolynomial[] = {0x1.6a2434p-10f, 0x1.1239e2p-7f, 0x1.5558f2p-5f, 0x1.555492p-3f,
                                           0x1.fffffcp-2f};

// e to the power of every lane, within one unit in the last place; NaN stays NaN.
template <class Isa>
[[gnu::always_inline]] inline typename Isa::Float exponential(typename Isa::Float x) {
  x = Isa::max(Isa::broadcast(kExpLowest), x);  // in this order: the second operand is what a NaN yields
  x = Isa::min(Isa::broadcast(kExpHighest), x);
  const auto n = Isa::round(x * Isa::broadcast(kLog2E));
  auto r = Isa::multiply_add(n, Isa::broadcast(-kLn2High), x);
  r = Isa::multiply_add(n, Isa::broadcast(-kLn2Low), r);
  auto p = Isa::broadcast(kExpPolynomial[0]);
#pragma GCC unroll 4
  for (int i = 1; i < 5; i++)
    p = Isa::multiply_add(p, r, Isa::broadcast(kExpPolynomial[i]));
  p = Isa::multiply_add(r * r, p, r);
  return Isa::scale_by_power(p + Isa::broadcast(1.0f), n);
}

}  // namespace flexinfer::simd
