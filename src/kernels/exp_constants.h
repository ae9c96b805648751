// The vectorised exponential, shared by the instruction sets as numbers alone:
//   exp(x) = 2^n * exp(r),  n = round(x / ln 2),  r = x - n * ln 2 in [-ln 2 / 2, ln 2 / 2]
//   exp(r) = 1 + (r + r^2 * P(r)),  P of degree 4, a minimax fit of relative error 3.1e-9
#pragma once

namespace flexinfer {

inline constexpr float kExpLowest = -104.0f;  // exp of it and of anything below rounds to 0
inline constexpr float kExpHighest = 89.0f;   // exp of it and of anything above is infinite
inline constexpr float kLog2E = 1.44269504f;
inline constexpr float kLn2High = 0x1.62e430p-1f;   // ln 2 rounded to a float
inline constexpr float kLn2Low = -0x1.05c610p-29f;  // what that leaves
// P, from its constant term upwards.
inline constexpr float kExpPolynomial0 = 0x1.fffffcp-2f;
inline constexpr float kExpPolynomial1 = 0x1.555492p-3f;
inline constexpr float kExpPolynomial2 = 0x1.5558f2p-5f;
inline constexpr float kExpPolynomial3 = 0x1.1239e2p-7f;
inline constexpr float kExpPolynomial4 = 0x1.6a2434p-10f;

}  // namespace flexinfer
