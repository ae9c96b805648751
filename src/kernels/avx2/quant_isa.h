// What the quantised products need of AVX2 and F16C: see kernels/simd/matmul_quant_panel.h.
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <bit>

#include "kernels/simd/matmul_quant_panel.h"

namespace flexinfer::avx2 {

struct QuantIsa : simd::Lanes<8> {
  static constexpr int kTokenTile = 4;
  static constexpr int kSignedBias = 0;  // signed weights give their sign to the activations

  // Rows r and r + 4.
  [[gnu::always_inline]] static __m256i load_two(const std::byte* const (&rows)[kRows], int r,
                                                 size_t offset) {
    const auto bytes = [&](int row) __attribute__((always_inline)) {
      return _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows[row] + offset));
    };
    return _mm256_inserti128_si256(_mm256_castsi128_si256(bytes(r)), bytes(r + 4), 1);
  }

  // A transposition of 4 x 4 words within each half of the vectors.
  [[gnu::always_inline]] static void load_columns(const std::byte* const (&rows)[kRows], size_t offset,
                                                  Word* columns) {
    const __m256i a = load_two(rows, 0, offset);
    const __m256i b = load_two(rows, 1, offset);
    const __m256i c = load_two(rows, 2, offset);
    const __m256i d = load_two(rows, 3, offset);
    const __m256i ab_low = _mm256_unpacklo_epi32(a, b);
    const __m256i ab_high = _mm256_unpackhi_epi32(a, b);
    const __m256i cd_low = _mm256_unpacklo_epi32(c, d);
    const __m256i cd_high = _mm256_unpackhi_epi32(c, d);
    columns[0] = reinterpret_cast<Word>(_mm256_unpacklo_epi64(ab_low, cd_low));
    columns[1] = reinterpret_cast<Word>(_mm256_unpackhi_epi64(ab_low, cd_low));
    columns[2] = reinterpret_cast<Word>(_mm256_unpacklo_epi64(ab_high, cd_high));
    columns[3] = reinterpret_cast<Word>(_mm256_unpackhi_epi64(ab_high, cd_high));
  }

  [[gnu::always_inline]] static Float half_to_float(Halves halves) {
    return _mm256_cvtph_ps(reinterpret_cast<__m128i>(halves));
  }

  [[gnu::always_inline]] static Float multiply_add(Float a, Float b, Float c) {
    return _mm256_fmadd_ps(a, b, c);
  }

  [[gnu::always_inline]] static Word look_up(const uint8_t* table, Word indices) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table));
    return reinterpret_cast<Word>(
        _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(bytes), reinterpret_cast<__m256i>(indices)));
  }

  // Sums of two products each, in 16 bits.
  template <simd::Encoding encoding>
  [[gnu::always_inline]] static __m256i multiply_bytes(__m256i weights, __m256i values) {
    if constexpr (encoding.is_signed)
      return _mm256_maddubs_epi16(_mm256_abs_epi8(weights), _mm256_sign_epi8(values, weights));
    return _mm256_maddubs_epi16(weights, values);
  }

  // Products are added up in 16 bits as long as these can hold them, then in 32.
  template <simd::Encoding encoding, int n_words, int n_tokens>
  [[gnu::always_inline]] static void dot(const Word* const (&weights)[1],
                                         const std::byte* const (&values)[n_tokens],
                                         Int (&sums)[1][n_tokens]) {
    constexpr int kLargestWeight = encoding.is_signed ? 128 : encoding.max_byte;
    constexpr unsigned kHeld = INT16_MAX / (2 * 127 * kLargestWeight);
    constexpr int kRun = std::min<int>(n_words, std::bit_floor(kHeld));
    static_assert(kRun > 0 && n_words % kRun == 0);
#pragma GCC unroll 8
    for (int run = 0; run < n_words; run += kRun) {
      __m256i pairs[n_tokens] = {};
#pragma GCC unroll 8
      for (int i = run; i < run + kRun; i++) {
        const auto word = reinterpret_cast<__m256i>(weights[0][i]);
#pragma GCC unroll 8
        for (int t = 0; t < n_tokens; t++) {
          const __m256i four = _mm256_set1_epi32(simd::load<int32_t>(values[t] + 4 * i));
          pairs[t] = _mm256_add_epi16(pairs[t], multiply_bytes<encoding>(word, four));
        }
      }
#pragma GCC unroll 8
      for (int t = 0; t < n_tokens; t++)
        sums[0][t] += reinterpret_cast<Int>(_mm256_madd_epi16(pairs[t], _mm256_set1_epi16(1)));
    }
  }
};

}  // namespace flexinfer::avx2
