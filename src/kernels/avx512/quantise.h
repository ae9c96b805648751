// 32 floats to 8-bit integers for AVX-512: the step that activations and the q8_0 cache share.
#pragma once

#include "kernels/avx512/vector.h"

namespace flexinfer::avx512 {

struct QuantisedBlock {
  float scale;   // max|x| / 127; NaN where an element is NaN
  __m512i low;   // round(x / scale), ties away from zero, of the first 16 elements as 32-bit integers
  __m512i high;  // and of the others
};

// Magnitudes are compared as bits, so that a NaN is the greatest of all.
inline float greatest_magnitude(__m512 low, __m512 high) {
  const __m512i magnitudes =
      _mm512_max_epi32(_mm512_castps_si512(_mm512_abs_ps(low)), _mm512_castps_si512(_mm512_abs_ps(high)));
  return _mm_cvtss_f32(_mm_castsi128_ps(_mm_cvtsi32_si128(_mm512_reduce_max_epi32(magnitudes))));
}

// To the nearest integer, ties away from zero; NaN (infinity times zero) becomes -127.
inline __m512i round_away(__m512 value) {
  value = _mm512_max_ps(value,
                        _mm512_set1_ps(-127.0f));  // in this order: the second operand is what a NaN yields
  const __m512 sign = _mm512_and_ps(value, _mm512_set1_ps(-0.0f));
  const __m512 almost_half = _mm512_set1_ps(0x1.fffffep-2f);
  return _mm512_cvttps_epi32(_mm512_add_ps(value, _mm512_or_ps(almost_half, sign)));
}

inline QuantisedBlock quantise_block(const float* in) {
  const __m512 low = _mm512_loadu_ps(in);
  const __m512 high = _mm512_loadu_ps(in + kLanes);
  const float scale = greatest_magnitude(low, high) / 127.0f;
  const __m512 inverse = _mm512_set1_ps(scale >= __FLT_MIN__ ? 1.0f / scale : 0.0f);
  return {scale, round_away(_mm512_mul_ps(low, inverse)), round_away(_mm512_mul_ps(high, inverse))};
}

// The 32 integers as bytes.
inline void store_quants(const QuantisedBlock& block, void* to) {
  const __m256i bytes = _mm256_set_m128i(_mm512_cvtepi32_epi8(block.high), _mm512_cvtepi32_epi8(block.low));
  _mm256_storeu_si256(static_cast<__m256i*>(to), bytes);
}

}  // namespace flexinfer::avx512
