// The quantised products with NEON's products of 2 x 8 and 8 x 2 bytes.
#pragma once

#include "kernels/neon/panel_isa.h"

namespace flexinfer::neon_i8mm {

struct QuantIsa : neon::PanelIsa {
  // Words i and i + 1 to eight columns of rows 0 and 1, and of rows 2 and 3.
  template <simd::Encoding>
  [[gnu::always_inline]] static void arrange(Word (&weights)[simd::kGroupWords]) {
#pragma GCC unroll 4
    for (int i = 0; i < simd::kGroupWords; i += 2) {
      const auto even = reinterpret_cast<uint32x4_t>(weights[i]);
      const auto odd = reinterpret_cast<uint32x4_t>(weights[i + 1]);
      weights[i] = reinterpret_cast<Word>(vzip1q_u32(even, odd));
      weights[i + 1] = reinterpret_cast<Word>(vzip2q_u32(even, odd));
    }
  }

  template <simd::Encoding, int n_words, int n_vectors, int n_tokens>
  [[gnu::always_inline]] static void dot(const Word* const (&weights)[n_vectors],
                                         const std::byte* const (&values)[n_tokens],
                                         Int (&sums)[n_vectors][n_tokens]) {
    static_assert(n_words % 2 == 0);
    if constexpr (n_tokens == 1) {
#pragma GCC unroll 8
      for (int v = 0; v < n_vectors; v++)
        dot_one<n_words>(weights[v], values[0], sums[v][0]);
    } else {
#pragma GCC unroll 4
      for (int t = 0; t < n_tokens; t += 2) {
#pragma GCC unroll 8
        for (int v = 0; v < n_vectors; v++)
          dot_two<n_words>(weights[v], values[t], values[t + 1], sums[v][t], sums[v][t + 1]);
      }
    }
  }

 private:
  [[gnu::always_inline]] static int8x8_t eight(const std::byte* values) {
    return vld1_s8(reinterpret_cast<const int8_t*>(values));
  }

  // Products of four bytes: two sums to the row.
  template <int n_words>
  [[gnu::always_inline]] static void dot_one(const Word* weights, const std::byte* values, Int& sums) {
    int32x4_t low = {};   // of rows 0 and 1
    int32x4_t high = {};  // of rows 2 and 3
#pragma GCC unroll 4
    for (int i = 0; i < n_words; i += 2) {
      const int8x16_t x = vcombine_s8(eight(values + 4 * i), eight(values + 4 * i));
      low = vdotq_s32(low, reinterpret_cast<int8x16_t>(weights[i]), x);
      high = vdotq_s32(high, reinterpret_cast<int8x16_t>(weights[i + 1]), x);
    }
    sums += reinterpret_cast<Int>(vpaddq_s32(low, high));
  }

  // Each product gives two rows' sums for tokens a and b.
  template <int n_words>
  [[gnu::always_inline]] static void dot_two(const Word* weights, const std::byte* a, const std::byte* b,
                                             Int& a_sums, Int& b_sums) {
    int32x4_t low = {};
    int32x4_t high = {};
#pragma GCC unroll 4
    for (int i = 0; i < n_words; i += 2) {
      const int8x16_t ab = vcombine_s8(eight(a + 4 * i), eight(b + 4 * i));
      low = vmmlaq_s32(low, reinterpret_cast<int8x16_t>(weights[i]), ab);
      high = vmmlaq_s32(high, reinterpret_cast<int8x16_t>(weights[i + 1]), ab);
    }
    a_sums += reinterpret_cast<Int>(vuzp1q_s32(low, high));
    b_sums += reinterpret_cast<Int>(vuzp2q_s32(low, high));
  }
};

}  // namespace flexinfer::neon_i8mm
