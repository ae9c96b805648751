// Vectors of 8 floats for AVX2. The end of an array goes through the same instructions as its body, with the
// lanes beyond it masked, so that an element's bits do not depend on where it stands.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/exp_constants.h"

namespace flexinfer::avx2 {

inline constexpr int64_t kLanes = 8;

// Which lanes of a vector stand for elements: all of them, or the first few at the end of an array.
struct AllLanes {};
struct FirstLanes {
  explicit FirstLanes(int64_t n_elements)  // 0 < n_elements <= kLanes
      : n(n_elements),
        mask(_mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)),
                                _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))) {}
  int64_t n;
  __m256i mask;
};

// Lanes beyond the array read as zero and are not written.
inline __m256 load(const float* from, AllLanes) {
  return _mm256_loadu_ps(from);
}
inline __m256 load(const float* from, FirstLanes lanes) {
  return _mm256_maskload_ps(from, lanes.mask);
}
inline void store(float* to, __m256 value, AllLanes) {
  _mm256_storeu_ps(to, value);
}
inline void store(float* to, __m256 value, FirstLanes lanes) {
  _mm256_maskstore_ps(to, lanes.mask, value);
}

// `value`, and `filler` in the lanes beyond the array.
inline __m256 fill_rest(__m256 value, __m256, AllLanes) {
  return value;
}
inline __m256 fill_rest(__m256 value, __m256 filler, FirstLanes lanes) {
  return _mm256_blendv_ps(filler, value, _mm256_castsi256_ps(lanes.mask));
}

// body(i, lanes) for each vector of an array of n elements that starts at element i.
template <class Body>
[[gnu::always_inline]] inline void for_each_vector(int64_t n, Body body) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    body(i, AllLanes{});
  if (i < n) body(i, FirstLanes{n - i});
}

// The sum of all lanes, in pairs.
inline float sum_of_lanes(__m256 x) {
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

inline float greatest_lane(__m256 x) {
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

// A sum of many floats, kept in doubles.
class DoubleSum {
 public:
  void add(__m256 x) {
    low_ = _mm256_add_pd(low_, low_half(x));
    high_ = _mm256_add_pd(high_, high_half(x));
  }
  void add_squares(__m256 x) {
    low_ = _mm256_fmadd_pd(low_half(x), low_half(x), low_);
    high_ = _mm256_fmadd_pd(high_half(x), high_half(x), high_);
  }
  double total() const {
    const __m256d four = _mm256_add_pd(low_, high_);
    const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
  }

 private:
  static __m256d low_half(__m256 x) { return _mm256_cvtps_pd(_mm256_castps256_ps128(x)); }
  static __m256d high_half(__m256 x) { return _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1)); }

  __m256d low_ = _mm256_setzero_pd();
  __m256d high_ = _mm256_setzero_pd();
};

// 2 to the power of every lane, n in [-126, 127].
inline __m256 power_of_two(__m256i n) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
}

// e to the power of every lane, within one unit in the last place; NaN stays NaN. See exp_constants.h.
inline __m256 exponential(__m256 x) {
  x = _mm256_max_ps(_mm256_set1_ps(kExpLowest), x);  // in this order: the second operand is what a NaN yields
  x = _mm256_min_ps(_mm256_set1_ps(kExpHighest), x);
  const __m256 n = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(kLog2E)),
                                   _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(kLn2High), x);
  r = _mm256_fnmadd_ps(n, _mm256_set1_ps(kLn2Low), r);
  __m256 p = _mm256_set1_ps(kExpPolynomial4);
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(kExpPolynomial3));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(kExpPolynomial2));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(kExpPolynomial1));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(kExpPolynomial0));
  p = _mm256_fmadd_ps(_mm256_mul_ps(r, r), p, r);
  p = _mm256_add_ps(p, _mm256_set1_ps(1.0f));
  // n reaches beyond the exponents of floats at both ends: its halves do not, and only the second product
  // rounds.
  const __m256i exponent = _mm256_cvtps_epi32(n);
  const __m256i half = _mm256_srai_epi32(exponent, 1);
  return _mm256_mul_ps(_mm256_mul_ps(p, power_of_two(half)), power_of_two(_mm256_sub_epi32(exponent, half)));
}

}  // namespace flexinfer::avx2
