// 32 floats to 8-bit integers for AVX2: the step that activations and the q8_0 cache share.
#pragma once

#include "kernels/avx2/vector.h"

namespace flexinfer::avx2 {

struct QuantisedBlock {
  float scale;        // max|x| / 127; NaN where an element is NaN
  __m256i quants[4];  // round(x / scale), ties away from zero, as 32-bit integers
};

// Magnitudes are compared as bits, so that a NaN is the greatest of all.
inline float greatest_magnitude(const __m256 (&x)[4]) {
  const __m256i no_sign = _mm256_set1_epi32(0x7fffffff);
  __m256i greatest = _mm256_setzero_si256();
  for (const __m256& part : x) {
    greatest = _mm256_max_epi32(greatest, _mm256_and_si256(_mm256_castps_si256(part), no_sign));
  }
  const __m128i four = _mm_max_epi32(_mm256_castsi256_si128(greatest), _mm256_extracti128_si256(greatest, 1));
  const __m128i two = _mm_max_epi32(four, _mm_unpackhi_epi64(four, four));
  return _mm_cvtss_f32(_mm_castsi128_ps(_mm_max_epi32(two, _mm_srli_epi64(two, 32))));
}

// To the nearest integer, ties away from zero; NaN (infinity times zero) becomes -127.
inline __m256i round_away(__m256 value) {
  value = _mm256_max_ps(value,
                        _mm256_set1_ps(-127.0f));  // in this order: the second operand is what a NaN yields
  const __m256 sign = _mm256_and_ps(value, _mm256_set1_ps(-0.0f));
  const __m256 almost_half = _mm256_set1_ps(0x1.fffffep-2f);
  return _mm256_cvttps_epi32(_mm256_add_ps(value, _mm256_or_ps(almost_half, sign)));
}

inline QuantisedBlock quantise_block(const float* in) {
  const __m256 x[4] = {_mm256_loadu_ps(in), _mm256_loadu_ps(in + kLanes), _mm256_loadu_ps(in + 2 * kLanes),
                       _mm256_loadu_ps(in + 3 * kLanes)};
  QuantisedBlock block;
  block.scale = greatest_magnitude(x) / 127.0f;
  const __m256 inverse = _mm256_set1_ps(block.scale >= __FLT_MIN__ ? 1.0f / block.scale : 0.0f);
  for (int i = 0; i < 4; i++)
    block.quants[i] = round_away(_mm256_mul_ps(x[i], inverse));
  return block;
}

// The 32 integers as bytes.
inline void store_quants(const QuantisedBlock& block, void* to) {
  const __m256i low = _mm256_packs_epi32(block.quants[0], block.quants[1]);
  const __m256i high = _mm256_packs_epi32(block.quants[2], block.quants[3]);
  // Packing works on halves of a register: the groups of four end up as 0 2 4 6 1 3 5 7.
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  const __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), order);
  _mm256_storeu_si256(static_cast<__m256i*>(to), bytes);
}

}  // namespace flexinfer::avx2
