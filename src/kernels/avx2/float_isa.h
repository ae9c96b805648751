// What the arithmetic on floats needs of AVX2, FMA and F16C: see kernels/simd/float_vector.h.
#pragma once

#include <immintrin.h>

#include "kernels/simd/float_vector.h"

namespace flexinfer::avx2 {

struct FloatIsa {
  using Float = __m256;
  using Double = __m256d;
  using Int = __m256i;
  using Halves = __m128i;
  using AllLanes = simd::AllLanes;
  static constexpr int64_t kLanes = 8;
  static constexpr int kTokenTile = 2;

  struct FirstLanes {
    explicit FirstLanes(int64_t n_elements)
        : n(n_elements),
          mask(_mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)),
                                  _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))) {}
    int64_t n;
    __m256i mask;
  };

  static Float load(const float* from, AllLanes) { return _mm256_loadu_ps(from); }
  static Float load(const float* from, FirstLanes lanes) { return _mm256_maskload_ps(from, lanes.mask); }
  static void store(float* to, Float x, AllLanes) { _mm256_storeu_ps(to, x); }
  static void store(float* to, Float x, FirstLanes lanes) { _mm256_maskstore_ps(to, lanes.mask, x); }

  static Halves load_halves(const std::byte* from, AllLanes) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  }
  static Halves load_halves(const std::byte* from, FirstLanes lanes) {
    __m128i value = _mm_setzero_si128();
    __builtin_memcpy(&value, from, static_cast<size_t>(lanes.n) * 2);
    return value;
  }
  static void store_halves(std::byte* to, Halves x, AllLanes) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), x);
  }
  static void store_halves(std::byte* to, Halves x, FirstLanes lanes) {
    __builtin_memcpy(to, &x, static_cast<size_t>(lanes.n) * 2);
  }

  static Float load_bytes(const std::byte* from) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadu_si64(from)));
  }

  static Float fill_rest(Float x, Float, AllLanes) { return x; }
  static Float fill_rest(Float x, Float filler, FirstLanes lanes) {
    return _mm256_blendv_ps(filler, x, _mm256_castsi256_ps(lanes.mask));
  }

  static Float broadcast(float x) { return _mm256_set1_ps(x); }
  static Float broadcast_half(const std::byte* from) {
    int16_t half;
    __builtin_memcpy(&half, from, sizeof half);
    return _mm256_cvtph_ps(_mm_set1_epi16(half));
  }
  static Float multiply_add(Float a, Float b, Float c) { return _mm256_fmadd_ps(a, b, c); }
  static Float max(Float a, Float b) { return _mm256_max_ps(a, b); }
  static Float min(Float a, Float b) { return _mm256_min_ps(a, b); }
  static Float copy_sign(Float magnitude, Float sign) {
    const __m256 sign_bit = _mm256_set1_ps(-0.0f);
    return _mm256_or_ps(_mm256_andnot_ps(sign_bit, magnitude), _mm256_and_ps(sign_bit, sign));
  }
  static Float round(Float x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static Int truncate(Float x) { return _mm256_cvttps_epi32(x); }

  // n reaches beyond the exponents of floats at both ends: its halves do not, and only the second product
  // rounds.
  static Float scale_by_power(Float x, Float n) {
    const __m256i exponent = _mm256_cvtps_epi32(n);
    const __m256i half = _mm256_srai_epi32(exponent, 1);
    return x * power_of_two(half) * power_of_two(_mm256_sub_epi32(exponent, half));
  }

  static Float rotate_pairs(Float pairs, Float cosines, Float sines) {
    const __m256i pair = _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3);
    const __m256 cosine = _mm256_permutevar8x32_ps(cosines, pair);
    const __m256 sine = _mm256_permutevar8x32_ps(sines, pair);
    const __m256 swapped = _mm256_permute_ps(pairs, 0xb1);  // each pair the other way round
    return _mm256_fmaddsub_ps(pairs, cosine, swapped * sine);
  }

  static Float half_to_float(Halves x) { return _mm256_cvtph_ps(x); }
  static float half_to_float(uint16_t x) { return _cvtsh_ss(x); }
  static Halves float_to_half(Float x) { return _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT); }
  static uint16_t float_to_half(float x) {
    return static_cast<uint16_t>(_cvtss_sh(x, _MM_FROUND_TO_NEAREST_INT));
  }
  static Float bfloat_to_float(Halves x) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16));
  }

  static Double low_half(Float x) { return _mm256_cvtps_pd(_mm256_castps256_ps128(x)); }
  static Double high_half(Float x) { return _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1)); }

  static float sum_of_lanes(Float x) {
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }
  static double sum_of_lanes(Double x) {
    const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(x), _mm256_extractf128_pd(x, 1));
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
  }

  static float greatest_lane(Float x) {
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
  }

  static void sums_of_lanes(const Float (&x)[4], float* out) {
    const __m256 first = _mm256_unpacklo_ps(x[0], x[1]) + _mm256_unpackhi_ps(x[0], x[1]);
    const __m256 second = _mm256_unpacklo_ps(x[2], x[3]) + _mm256_unpackhi_ps(x[2], x[3]);
    const __m256d even = _mm256_unpacklo_pd(_mm256_castps_pd(first), _mm256_castps_pd(second));
    const __m256d odd = _mm256_unpackhi_pd(_mm256_castps_pd(first), _mm256_castps_pd(second));
    const __m256 sums = _mm256_castpd_ps(even) + _mm256_castpd_ps(odd);
    _mm_storeu_ps(out, _mm256_castps256_ps128(sums) + _mm256_extractf128_ps(sums, 1));
  }

  // Compared as bits.
  static float greatest_magnitude(const Float (&x)[4]) {
    const __m256i no_sign = _mm256_set1_epi32(0x7fffffff);
    __m256i greatest = _mm256_setzero_si256();
    for (const __m256& part : x)
      greatest = _mm256_max_epi32(greatest, _mm256_and_si256(_mm256_castps_si256(part), no_sign));
    const __m128i four =
        _mm_max_epi32(_mm256_castsi256_si128(greatest), _mm256_extracti128_si256(greatest, 1));
    const __m128i two = _mm_max_epi32(four, _mm_unpackhi_epi64(four, four));
    return _mm_cvtss_f32(_mm_castsi128_ps(_mm_max_epi32(two, _mm_srli_epi64(two, 32))));
  }

  static int sum_of_sixteen(const Int* x) {
    const __m256i eight = _mm256_add_epi32(x[0], x[1]);
    const __m128i four = _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
    const __m128i two = _mm_add_epi32(four, _mm_unpackhi_epi64(four, four));
    return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_srli_epi64(two, 32)));
  }

  static void store_bytes(const Int (&x)[4], void* to) {
    const __m256i low = _mm256_packs_epi32(x[0], x[1]);
    const __m256i high = _mm256_packs_epi32(x[2], x[3]);
    // Packing works on halves of a register: the groups of four end up as 0 2 4 6 1 3 5 7.
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    const __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), order);
    _mm256_storeu_si256(static_cast<__m256i*>(to), bytes);
  }

 private:
  // n in [-126, 127].
  static Float power_of_two(Int n) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
  }
};

}  // namespace flexinfer::avx2
