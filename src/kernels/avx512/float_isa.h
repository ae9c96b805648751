// What the arithmetic on floats needs of AVX-512 F, BW, DQ and VL: see kernels/simd/float_vector.h.
#pragma once

#include <immintrin.h>

#include "kernels/simd/float_vector.h"

namespace flexinfer::avx512 {

struct FloatIsa {
  using Float = __m512;
  using Double = __m512d;
  using Int = __m512i;
  using Halves = __m256i;
  using AllLanes = simd::AllLanes;
  static constexpr int64_t kLanes = 16;
  static constexpr int kTokenTile = 4;

  struct FirstLanes {
    explicit FirstLanes(int64_t n) : mask(static_cast<__mmask16>((1u << n) - 1)) {}
    __mmask16 mask;
  };

  static Float load(const float* from, AllLanes) { return _mm512_loadu_ps(from); }
  static Float load(const float* from, FirstLanes lanes) { return _mm512_maskz_loadu_ps(lanes.mask, from); }
  static void store(float* to, Float x, AllLanes) { _mm512_storeu_ps(to, x); }
  static void store(float* to, Float x, FirstLanes lanes) { _mm512_mask_storeu_ps(to, lanes.mask, x); }

  static Halves load_halves(const std::byte* from, AllLanes) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  }
  static Halves load_halves(const std::byte* from, FirstLanes lanes) {
    return _mm256_maskz_loadu_epi16(lanes.mask, from);
  }
  static void store_halves(std::byte* to, Halves x, AllLanes) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), x);
  }
  static void store_halves(std::byte* to, Halves x, FirstLanes lanes) {
    _mm256_mask_storeu_epi16(to, lanes.mask, x);
  }

  static Float load_bytes(const std::byte* from) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
  }

  static Float fill_rest(Float x, Float, AllLanes) { return x; }
  static Float fill_rest(Float x, Float filler, FirstLanes lanes) {
    return _mm512_mask_mov_ps(filler, lanes.mask, x);
  }

  static Float broadcast(float x) { return _mm512_set1_ps(x); }
  static Float broadcast_half(const std::byte* from) {
    int16_t half;
    __builtin_memcpy(&half, from, sizeof half);
    return _mm512_cvtph_ps(_mm256_set1_epi16(half));
  }
  static Float multiply_add(Float a, Float b, Float c) { return _mm512_fmadd_ps(a, b, c); }
  static Float max(Float a, Float b) { return _mm512_max_ps(a, b); }
  static Float min(Float a, Float b) { return _mm512_min_ps(a, b); }
  static Float copy_sign(Float magnitude, Float sign) {
    const __m512 sign_bit = _mm512_set1_ps(-0.0f);
    return _mm512_or_ps(_mm512_andnot_ps(sign_bit, magnitude), _mm512_and_ps(sign_bit, sign));
  }
  static Float round(Float x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT); }
  static Int truncate(Float x) { return _mm512_cvttps_epi32(x); }
  static Float scale_by_power(Float x, Float n) { return _mm512_scalef_ps(x, n); }

  static Float rotate_pairs(Float pairs, Float cosines, Float sines) {
    const __m512i pair = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    const __m512 cosine = _mm512_permutexvar_ps(pair, cosines);
    const __m512 sine = _mm512_permutexvar_ps(pair, sines);
    const __m512 swapped = _mm512_permute_ps(pairs, 0xb1);  // each pair the other way round
    return _mm512_fmaddsub_ps(pairs, cosine, swapped * sine);
  }

  static Float half_to_float(Halves x) { return _mm512_cvtph_ps(x); }
  static float half_to_float(uint16_t x) { return _cvtsh_ss(x); }
  static Halves float_to_half(Float x) { return _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT); }
  static uint16_t float_to_half(float x) {
    return static_cast<uint16_t>(_cvtss_sh(x, _MM_FROUND_TO_NEAREST_INT));
  }
  static Float bfloat_to_float(Halves x) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16));
  }

  static Double low_half(Float x) { return _mm512_cvtps_pd(_mm512_castps512_ps256(x)); }
  static Double high_half(Float x) { return _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1)); }

  static float sum_of_lanes(Float x) { return _mm512_reduce_add_ps(x); }
  static double sum_of_lanes(Double x) { return _mm512_reduce_add_pd(x); }
  static float greatest_lane(Float x) { return _mm512_reduce_max_ps(x); }

  static void sums_of_lanes(const Float (&x)[4], float* out) {
    const __m512 first = _mm512_unpacklo_ps(x[0], x[1]) + _mm512_unpackhi_ps(x[0], x[1]);
    const __m512 second = _mm512_unpacklo_ps(x[2], x[3]) + _mm512_unpackhi_ps(x[2], x[3]);
    const __m512d even = _mm512_unpacklo_pd(_mm512_castps_pd(first), _mm512_castps_pd(second));
    const __m512d odd = _mm512_unpackhi_pd(_mm512_castps_pd(first), _mm512_castps_pd(second));
    const __m512 sums = _mm512_castpd_ps(even) + _mm512_castpd_ps(odd);
    const __m256 half = _mm512_castps512_ps256(sums) + _mm512_extractf32x8_ps(sums, 1);
    _mm_storeu_ps(out, _mm256_castps256_ps128(half) + _mm256_extractf128_ps(half, 1));
  }

  // Compared as bits.
  static float greatest_magnitude(const Float (&x)[2]) {
    const __m512i greatest =
        _mm512_max_epi32(_mm512_castps_si512(_mm512_abs_ps(x[0])), _mm512_castps_si512(_mm512_abs_ps(x[1])));
    return _mm_cvtss_f32(_mm_castsi128_ps(_mm_cvtsi32_si128(_mm512_reduce_max_epi32(greatest))));
  }

  static int sum_of_sixteen(const Int* x) { return _mm512_reduce_add_epi32(*x); }

  static void store_bytes(const Int (&x)[2], void* to) {
    const __m256i bytes = _mm256_set_m128i(_mm512_cvtepi32_epi8(x[1]), _mm512_cvtepi32_epi8(x[0]));
    _mm256_storeu_si256(static_cast<__m256i*>(to), bytes);
  }
};

}  // namespace flexinfer::avx512
