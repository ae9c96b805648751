// What the quantised products of all NEON tables have in common: see kernels/simd/matmul_quant_panel.h. The
// tables differ in `dot`.
#pragma once

#include <arm_neon.h>

#include "kernels/simd/matmul_quant_panel.h"

namespace flexinfer::neon {

struct PanelIsa : simd::Lanes<4> {
  static constexpr int kTileVectors = 2;
  static constexpr int kTokenTile = 4;
  static constexpr int kSignedBias = 0;  // products take both operands as signed bytes

  // A transposition of 4 x 4 words.
  [[gnu::always_inline]] static void load_columns(const std::byte* const (&rows)[kRows], size_t offset,
                                                  Word* columns) {
    const auto words = [&](int row) __attribute__((always_inline)) {
      return vreinterpretq_u32_u8(vld1q_u8(reinterpret_cast<const uint8_t*>(rows[row] + offset)));
    };
    const uint64x2_t ab_even = vreinterpretq_u64_u32(vtrn1q_u32(words(0), words(1)));
    const uint64x2_t ab_odd = vreinterpretq_u64_u32(vtrn2q_u32(words(0), words(1)));
    const uint64x2_t cd_even = vreinterpretq_u64_u32(vtrn1q_u32(words(2), words(3)));
    const uint64x2_t cd_odd = vreinterpretq_u64_u32(vtrn2q_u32(words(2), words(3)));
    columns[0] = reinterpret_cast<Word>(vtrn1q_u64(ab_even, cd_even));
    columns[1] = reinterpret_cast<Word>(vtrn1q_u64(ab_odd, cd_odd));
    columns[2] = reinterpret_cast<Word>(vtrn2q_u64(ab_even, cd_even));
    columns[3] = reinterpret_cast<Word>(vtrn2q_u64(ab_odd, cd_odd));
  }

  [[gnu::always_inline]] static Float half_to_float(Halves halves) {
    return reinterpret_cast<Float>(vcvt_f32_f16(reinterpret_cast<float16x4_t>(halves)));
  }

  [[gnu::always_inline]] static Float multiply_add(Float a, Float b, Float c) {
    return reinterpret_cast<Float>(vfmaq_f32(reinterpret_cast<float32x4_t>(c),
                                             reinterpret_cast<float32x4_t>(a),
                                             reinterpret_cast<float32x4_t>(b)));
  }

  [[gnu::always_inline]] static Word look_up(const uint8_t* table, Word indices) {
    return reinterpret_cast<Word>(vqtbl1q_u8(vld1q_u8(table), reinterpret_cast<uint8x16_t>(indices)));
  }
};

}  // namespace flexinfer::neon
