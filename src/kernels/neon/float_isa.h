// What the arithmetic on floats needs of NEON: see kernels/simd/float_vector.h.
#pragma once

#include <arm_neon.h>

#include "kernels/simd/float_vector.h"

namespace flexinfer::neon {

// The tables of all NEON extensions have the same; Table, a type in the namespace of one of them, names whose
// code it is.
template <class Table>
struct FloatIsa {
  using Float = float32x4_t;
  using Double = float64x2_t;
  using Int = int32x4_t;
  using Halves = uint16x4_t;
  using AllLanes = simd::AllLanes;
  static constexpr int64_t kLanes = 4;
  static constexpr int kTokenTile = 4;

  struct FirstLanes {
    explicit FirstLanes(int64_t n_elements) : n(n_elements) {}
    int64_t n;
  };

  static Float load(const float* from, AllLanes) { return vld1q_f32(from); }
  static Float load(const float* from, FirstLanes lanes) {
    if (lanes.n == 4) return vld1q_f32(from);
    Float x = vdupq_n_f32(0.0f);
    if (lanes.n >= 2) x = vcombine_f32(vld1_f32(from), vget_high_f32(x));
    if (lanes.n == 1) x = vld1q_lane_f32(from, x, 0);
    if (lanes.n == 3) x = vld1q_lane_f32(from + 2, x, 2);
    return x;
  }
  static void store(float* to, Float x, AllLanes) { vst1q_f32(to, x); }
  static void store(float* to, Float x, FirstLanes lanes) {
    if (lanes.n == 4) return vst1q_f32(to, x);
    if (lanes.n >= 2) vst1_f32(to, vget_low_f32(x));
    if (lanes.n == 1) vst1q_lane_f32(to, x, 0);
    if (lanes.n == 3) vst1q_lane_f32(to + 2, x, 2);
  }

  static Halves load_halves(const std::byte* from, AllLanes) {
    return vreinterpret_u16_u8(vld1_u8(reinterpret_cast<const uint8_t*>(from)));
  }
  static Halves load_halves(const std::byte* from, FirstLanes lanes) {
    uint64_t value = 0;
    __builtin_memcpy(&value, from, static_cast<size_t>(lanes.n) * 2);
    return vcreate_u16(value);
  }
  static void store_halves(std::byte* to, Halves x, AllLanes) {
    vst1_u8(reinterpret_cast<uint8_t*>(to), vreinterpret_u8_u16(x));
  }
  static void store_halves(std::byte* to, Halves x, FirstLanes lanes) {
    __builtin_memcpy(to, &x, static_cast<size_t>(lanes.n) * 2);
  }

  static Float load_bytes(const std::byte* from) {
    int32_t bytes;
    __builtin_memcpy(&bytes, from, sizeof bytes);
    const int16x8_t pairs = vmovl_s8(vreinterpret_s8_s32(vdup_n_s32(bytes)));
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(pairs)));
  }

  static Float fill_rest(Float x, Float, AllLanes) { return x; }
  static Float fill_rest(Float x, Float filler, FirstLanes lanes) {
    constexpr Int kIndices = {0, 1, 2, 3};
    return vbslq_f32(vcltq_s32(kIndices, vdupq_n_s32(static_cast<int32_t>(lanes.n))), x, filler);
  }

  static Float broadcast(float x) { return vdupq_n_f32(x); }
  static Float broadcast_half(const std::byte* from) {
    uint16_t half;
    __builtin_memcpy(&half, from, sizeof half);
    return half_to_float(vdup_n_u16(half));
  }
  static Float multiply_add(Float a, Float b, Float c) { return vfmaq_f32(c, a, b); }
  // NEON's own yield a NaN whichever operand it is.
  static Float max(Float a, Float b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
  static Float min(Float a, Float b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
  static Float copy_sign(Float magnitude, Float sign) {
    return vbslq_f32(vdupq_n_u32(0x80000000), sign, magnitude);
  }
  static Float round(Float x) { return vrndnq_f32(x); }
  static Int truncate(Float x) { return vcvtq_s32_f32(x); }

  // n reaches beyond the exponents of floats at both ends: its halves do not, and only the second product
  // rounds.
  static Float scale_by_power(Float x, Float n) {
    const Int exponent = vcvtq_s32_f32(n);
    const Int half = vshrq_n_s32(exponent, 1);
    return x * power_of_two(half) * power_of_two(exponent - half);
  }

  static Float rotate_pairs(Float pairs, Float cosines, Float sines) {
    const Float cosine = vzip1q_f32(cosines, cosines);
    const Float sine = vzip1q_f32(sines, sines);
    const Float swapped = vrev64q_f32(pairs);  // each pair the other way round
    constexpr uint32x4_t kEvenSigns = {0x80000000, 0, 0x80000000, 0};
    const uint32x4_t other = vreinterpretq_u32_f32(swapped * sine) ^ kEvenSigns;
    return multiply_add(pairs, cosine, vreinterpretq_f32_u32(other));
  }

  static Float half_to_float(Halves x) { return vcvt_f32_f16(vreinterpret_f16_u16(x)); }
  static float half_to_float(uint16_t x) { return vgetq_lane_f32(half_to_float(vdup_n_u16(x)), 0); }
  static Halves float_to_half(Float x) { return vreinterpret_u16_f16(vcvt_f16_f32(x)); }
  static uint16_t float_to_half(float x) { return vget_lane_u16(float_to_half(broadcast(x)), 0); }
  static Float bfloat_to_float(Halves x) { return vreinterpretq_f32_u32(vshll_n_u16(x, 16)); }

  static Double low_half(Float x) { return vcvt_f64_f32(vget_low_f32(x)); }
  static Double high_half(Float x) { return vcvt_high_f64_f32(x); }

  static float sum_of_lanes(Float x) { return vaddvq_f32(x); }
  static double sum_of_lanes(Double x) { return vaddvq_f64(x); }
  static float greatest_lane(Float x) { return vmaxvq_f32(x); }

  static void sums_of_lanes(const Float (&x)[4], float* out) {
    vst1q_f32(out, vpaddq_f32(vpaddq_f32(x[0], x[1]), vpaddq_f32(x[2], x[3])));
  }

  // Compared as bits.
  static float greatest_magnitude(const Float (&x)[8]) {
    Int greatest = vdupq_n_s32(0);
    for (const Float& part : x)
      greatest = vmaxq_s32(greatest, vreinterpretq_s32_f32(vabsq_f32(part)));
    return vgetq_lane_f32(vreinterpretq_f32_s32(vdupq_n_s32(vmaxvq_s32(greatest))), 0);
  }

  static int sum_of_sixteen(const Int* x) { return vaddvq_s32((x[0] + x[1]) + (x[2] + x[3])); }

  static void store_bytes(const Int (&x)[8], void* to) {
    auto* bytes = static_cast<int8_t*>(to);
    vst1q_s8(bytes, narrow(x[0], x[1], x[2], x[3]));
    vst1q_s8(bytes + 16, narrow(x[4], x[5], x[6], x[7]));
  }

 private:
  // n in [-126, 127].
  static Float power_of_two(Int n) { return vreinterpretq_f32_s32(vshlq_n_s32(n + vdupq_n_s32(127), 23)); }

  static int8x16_t narrow(Int a, Int b, Int c, Int d) {
    const int16x8_t ab = vcombine_s16(vmovn_s32(a), vmovn_s32(b));
    const int16x8_t cd = vcombine_s16(vmovn_s32(c), vmovn_s32(d));
    return vcombine_s8(vmovn_s16(ab), vmovn_s16(cd));
  }
};

}  // namespace flexinfer::neon
