// What the quantised products need of AVX-512 with VNNI: see kernels/simd/matmul_quant_panel.h.
#pragma once

#include <immintrin.h>

#include "kernels/simd/matmul_quant_panel.h"

namespace flexinfer::avx512 {

struct QuantIsa : simd::Lanes<16> {
  static constexpr int kTokenTile = 8;
  static constexpr int kSignedBias = 128;  // vpdpbusd takes unsigned weights

  // Rows r, r + 4, r + 8 and r + 12.
  [[gnu::always_inline]] static __m512i load_four(const std::byte* const (&rows)[kRows], int r,
                                                  size_t offset) {
    const auto bytes = [&](int row) __attribute__((always_inline)) {
      return _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows[row] + offset));
    };
    __m512i four = _mm512_castsi128_si512(bytes(r));
    four = _mm512_inserti32x4(four, bytes(r + 4), 1);
    four = _mm512_inserti32x4(four, bytes(r + 8), 2);
    return _mm512_inserti32x4(four, bytes(r + 12), 3);
  }

  // A transposition of 4 x 4 words within each quarter of the vectors.
  [[gnu::always_inline]] static void load_columns(const std::byte* const (&rows)[kRows], size_t offset,
                                                  Word* columns) {
    const __m512i a = load_four(rows, 0, offset);
    const __m512i b = load_four(rows, 1, offset);
    const __m512i c = load_four(rows, 2, offset);
    const __m512i d = load_four(rows, 3, offset);
    const __m512i ab_low = _mm512_unpacklo_epi32(a, b);
    const __m512i ab_high = _mm512_unpackhi_epi32(a, b);
    const __m512i cd_low = _mm512_unpacklo_epi32(c, d);
    const __m512i cd_high = _mm512_unpackhi_epi32(c, d);
    columns[0] = reinterpret_cast<Word>(_mm512_unpacklo_epi64(ab_low, cd_low));
    columns[1] = reinterpret_cast<Word>(_mm512_unpackhi_epi64(ab_low, cd_low));
    columns[2] = reinterpret_cast<Word>(_mm512_unpacklo_epi64(ab_high, cd_high));
    columns[3] = reinterpret_cast<Word>(_mm512_unpackhi_epi64(ab_high, cd_high));
  }

  [[gnu::always_inline]] static Float half_to_float(Halves halves) {
    return _mm512_cvtph_ps(reinterpret_cast<__m256i>(halves));
  }

  [[gnu::always_inline]] static Word look_up(const uint8_t* table, Word indices) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table));
    return reinterpret_cast<Word>(
        _mm512_shuffle_epi8(_mm512_broadcast_i32x4(bytes), reinterpret_cast<__m512i>(indices)));
  }

  template <simd::Encoding, int n_words, int n_tokens>
  [[gnu::always_inline]] static void dot(const Word* weights, const std::byte* const (&values)[n_tokens],
                                         Int (&sums)[n_tokens]) {
#pragma GCC unroll 8
    for (int i = 0; i < n_words; i++) {
      const auto word = reinterpret_cast<__m512i>(weights[i]);
#pragma GCC unroll 8
      for (int t = 0; t < n_tokens; t++) {
        const __m512i four = _mm512_set1_epi32(simd::load<int32_t>(values[t] + 4 * i));
        sums[t] = reinterpret_cast<Int>(_mm512_dpbusd_epi32(reinterpret_cast<__m512i>(sums[t]), word, four));
      }
    }
  }
};

}  // namespace flexinfer::avx512
