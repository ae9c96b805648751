// Vectors of 16 floats for AVX-512. The end of an array goes through the same instructions as its body, with
// the lanes beyond it masked, so that an element's bits do not depend on where it stands.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/exp_constants.h"

namespace flexinfer::avx512 {

inline constexpr int64_t kLanes = 16;

// Which lanes of a vector stand for elements: all of them, or the first few at the end of an array.
struct AllLanes {};
struct FirstLanes {
  explicit FirstLanes(int64_t n) : mask(static_cast<__mmask16>((1u << n) - 1)) {}  // 0 < n <= kLanes
  __mmask16 mask;
};

// Lanes beyond the array read as zero and are not written.
inline __m512 load(const float* from, AllLanes) {
  return _mm512_loadu_ps(from);
}
inline __m512 load(const float* from, FirstLanes lanes) {
  return _mm512_maskz_loadu_ps(lanes.mask, from);
}
inline void store(float* to, __m512 value, AllLanes) {
  _mm512_storeu_ps(to, value);
}
inline void store(float* to, __m512 value, FirstLanes lanes) {
  _mm512_mask_storeu_ps(to, lanes.mask, value);
}

// `value`, and `filler` in the lanes beyond the array.
inline __m512 fill_rest(__m512 value, __m512, AllLanes) {
  return value;
}
inline __m512 fill_rest(__m512 value, __m512 filler, FirstLanes lanes) {
  return _mm512_mask_mov_ps(filler, lanes.mask, value);
}

// body(i, lanes) for each vector of an array of n elements that starts at element i.
template <class Body>
[[gnu::always_inline]] inline void for_each_vector(int64_t n, Body body) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    body(i, AllLanes{});
  if (i < n) body(i, FirstLanes{n - i});
}

// A sum of many floats, kept in doubles.
class DoubleSum {
 public:
  void add(__m512 x) {
    low_ = _mm512_add_pd(low_, low_half(x));
    high_ = _mm512_add_pd(high_, high_half(x));
  }
  void add_squares(__m512 x) {
    low_ = _mm512_fmadd_pd(low_half(x), low_half(x), low_);
    high_ = _mm512_fmadd_pd(high_half(x), high_half(x), high_);
  }
  double total() const { return _mm512_reduce_add_pd(_mm512_add_pd(low_, high_)); }

 private:
  static __m512d low_half(__m512 x) { return _mm512_cvtps_pd(_mm512_castps512_ps256(x)); }
  static __m512d high_half(__m512 x) { return _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1)); }

  __m512d low_ = _mm512_setzero_pd();
  __m512d high_ = _mm512_setzero_pd();
};

// e to the power of every lane, within one unit in the last place; NaN stays NaN. See exp_constants.h.
inline __m512 exponential(__m512 x) {
  x = _mm512_max_ps(_mm512_set1_ps(kExpLowest), x);  // in this order: the second operand is what a NaN yields
  x = _mm512_min_ps(_mm512_set1_ps(kExpHighest), x);
  const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(kLog2E)), _MM_FROUND_TO_NEAREST_INT);
  __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(kLn2High), x);
  r = _mm512_fnmadd_ps(n, _mm512_set1_ps(kLn2Low), r);
  __m512 p = _mm512_set1_ps(kExpPolynomial4);
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(kExpPolynomial3));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(kExpPolynomial2));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(kExpPolynomial1));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(kExpPolynomial0));
  p = _mm512_fmadd_ps(_mm512_mul_ps(r, r), p, r);
  return _mm512_scalef_ps(_mm512_add_ps(p, _mm512_set1_ps(1.0f)), n);
}

}  // namespace flexinfer::avx512
