// What the quantised products need of AVX-512 with VNNI: see kernels/simd/matmul_quant_panel.h.
#pragma once

#include <immintrin.h>

#include "kernels/simd/matmul_quant_panel.h"

namespace flexinfer::avx512 {

struct QuantIsa : simd::Lanes<16> {
  static constexpr int kTileVectors = 2;
  static constexpr int kDotWords = 1;
  static constexpr int kTokenTile = 6;     // with their sums of two vectors, all that the registers hold
  static constexpr int kSignedBias = 128;  // vpdpbusd takes unsigned weights

  // Rows r, r + 4, r + 8 and r + 12, 16 bytes of each. Masked loads blend where inserting would shuffle.
  [[gnu::always_inline]] static __m512i load_four(const std::byte* const (&rows)[kRows], int r,
                                                  size_t offset) {
    const auto bytes = [&](int row) __attribute__((always_inline)) {
      return _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows[row] + offset));
    };
    __m512i four = _mm512_castsi128_si512(bytes(r));
    four = _mm512_mask_broadcast_i32x4(four, 0x00f0, bytes(r + 4));
    four = _mm512_mask_broadcast_i32x4(four, 0x0f00, bytes(r + 8));
    return _mm512_mask_broadcast_i32x4(four, 0xf000, bytes(r + 12));
  }

  // Rows r and r + 4, 32 bytes of each.
  [[gnu::always_inline]] static __m512i load_two(const std::byte* const (&rows)[kRows], int r,
                                                 size_t offset) {
    const auto bytes = [&](int row) __attribute__((always_inline)) {
      return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(rows[row] + offset));
    };
    return _mm512_mask_broadcast_i64x4(_mm512_castsi256_si512(bytes(r)), 0xf0, bytes(r + 4));
  }

  // A transposition of 4 x 4 words within each quarter of the vectors.
  [[gnu::always_inline]] static void transpose(const __m512i (&rows)[4], __m512i* columns) {
    const __m512i ab_low = _mm512_unpacklo_epi32(rows[0], rows[1]);
    const __m512i ab_high = _mm512_unpackhi_epi32(rows[0], rows[1]);
    const __m512i cd_low = _mm512_unpacklo_epi32(rows[2], rows[3]);
    const __m512i cd_high = _mm512_unpackhi_epi32(rows[2], rows[3]);
    columns[0] = _mm512_unpacklo_epi64(ab_low, cd_low);
    columns[1] = _mm512_unpackhi_epi64(ab_low, cd_low);
    columns[2] = _mm512_unpacklo_epi64(ab_high, cd_high);
    columns[3] = _mm512_unpackhi_epi64(ab_high, cd_high);
  }

  [[gnu::always_inline]] static void load_columns(const std::byte* const (&rows)[kRows], size_t offset,
                                                  Word* columns) {
    __m512i transposed[4];
    transpose({load_four(rows, 0, offset), load_four(rows, 1, offset), load_four(rows, 2, offset),
               load_four(rows, 3, offset)},
              transposed);
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
      columns[i] = reinterpret_cast<Word>(transposed[i]);
  }

  // Transposed quarters hold columns i, i + 4, i, i + 4 of four rows each.
  [[gnu::always_inline]] static void load_eight_columns(const std::byte* const (&rows)[kRows], size_t offset,
                                                        Word* columns) {
    __m512i low[4];   // of rows 0 to 3 and 4 to 7
    __m512i high[4];  // of rows 8 to 11 and 12 to 15
    transpose({load_two(rows, 0, offset), load_two(rows, 1, offset), load_two(rows, 2, offset),
               load_two(rows, 3, offset)},
              low);
    transpose({load_two(rows, 8, offset), load_two(rows, 9, offset), load_two(rows, 10, offset),
               load_two(rows, 11, offset)},
              high);
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
      columns[i] = reinterpret_cast<Word>(_mm512_shuffle_i32x4(low[i], high[i], 0x88));
      columns[i + 4] = reinterpret_cast<Word>(_mm512_shuffle_i32x4(low[i], high[i], 0xdd));
    }
  }

  [[gnu::always_inline]] static Halves load_first_halves(const std::byte* const (&rows)[kRows],
                                                         size_t offset) {
    const __m512i ab = _mm512_unpacklo_epi16(load_four(rows, 0, offset), load_four(rows, 1, offset));
    const __m512i cd = _mm512_unpacklo_epi16(load_four(rows, 2, offset), load_four(rows, 3, offset));
    const __m512i fours = _mm512_unpacklo_epi32(ab, cd);  // of each quarter's rows, in its first 8 bytes
    const __m512i evens = _mm512_setr_epi64(0, 2, 4, 6, 0, 2, 4, 6);
    return reinterpret_cast<Halves>(_mm512_castsi512_si256(_mm512_permutexvar_epi64(evens, fours)));
  }

  [[gnu::always_inline]] static Float half_to_float(Halves halves) {
    return _mm512_cvtph_ps(reinterpret_cast<__m256i>(halves));
  }

  [[gnu::always_inline]] static Float multiply_add(Float a, Float b, Float c) {
    return _mm512_fmadd_ps(a, b, c);
  }

  [[gnu::always_inline]] static Word look_up(const uint8_t* table, Word indices) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table));
    return reinterpret_cast<Word>(
        _mm512_shuffle_epi8(_mm512_broadcast_i32x4(bytes), reinterpret_cast<__m512i>(indices)));
  }

  template <simd::Encoding, int n_words, int n_vectors, int n_tokens>
  [[gnu::always_inline]] static void dot(const Word* const (&weights)[n_vectors],
                                         const std::byte* const (&values)[n_tokens],
                                         Int (&sums)[n_vectors][n_tokens]) {
#pragma GCC unroll 8
    for (int i = 0; i < n_words; i++) {
#pragma GCC unroll 8
      for (int t = 0; t < n_tokens; t++) {
        const __m512i four = _mm512_set1_epi32(simd::load<int32_t>(values[t] + 4 * i));
#pragma GCC unroll 8
        for (int v = 0; v < n_vectors; v++) {
          Int& sum = sums[v][t];
          sum = reinterpret_cast<Int>(_mm512_dpbusd_epi32(reinterpret_cast<__m512i>(sum),
                                                          reinterpret_cast<__m512i>(weights[v][i]), four));
        }
      }
    }
  }
};

}  // namespace flexinfer::avx512
