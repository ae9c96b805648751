// The quantised products with nothing but NEON itself.
#pragma once

#include <algorithm>
#include <bit>

#include "kernels/neon/panel_isa.h"

namespace flexinfer::neon {

struct QuantIsa : PanelIsa {
  static constexpr int kTokenTile = 2;  // a token's sums take all there is of arithmetic

  // sums += the products of some words and the same bytes of a token. Two products of a row meet in 32 bits,
  // added up in 16 as long as these can hold them.
  template <int n_words, int run>
  [[gnu::always_inline]] static void dot_one(const Word* weights, const std::byte* values, Int& sums) {
    int32x4_t low = {};   // two sums each of rows 0 and 1
    int32x4_t high = {};  // and of rows 2 and 3
#pragma GCC unroll 8
    for (int begin = 0; begin < n_words; begin += run) {
      int16x8_t low_products = {};
      int16x8_t high_products = {};
#pragma GCC unroll 8
      for (int i = begin; i < begin + run; i++) {
        const auto word = reinterpret_cast<int8x16_t>(weights[i]);
        const int8x16_t four = vreinterpretq_s8_s32(vdupq_n_s32(simd::load<int32_t>(values + 4 * i)));
        low_products = vmlal_s8(low_products, vget_low_s8(word), vget_low_s8(four));
        high_products = vmlal_high_s8(high_products, word, four);
      }
      low = vpadalq_s16(low, low_products);
      high = vpadalq_s16(high, high_products);
    }
    sums += reinterpret_cast<Int>(vpaddq_s32(low, high));
  }

  template <simd::Encoding encoding, int n_words, int n_vectors, int n_tokens>
  [[gnu::always_inline]] static void dot(const Word* const (&weights)[n_vectors],
                                         const std::byte* const (&values)[n_tokens],
                                         Int (&sums)[n_vectors][n_tokens]) {
    constexpr int kLargestWeight = encoding.is_signed ? 128 : encoding.max_byte;
    constexpr unsigned kHeld = INT16_MAX / (127 * kLargestWeight);
    constexpr int kRun = std::min<int>(n_words, std::bit_floor(kHeld));
    static_assert(kRun > 0 && n_words % kRun == 0);
#pragma GCC unroll 1
    for (int t = 0; t < n_tokens; t++) {
#pragma GCC unroll 8
      for (int v = 0; v < n_vectors; v++)
        dot_one<n_words, kRun>(weights[v], values[t], sums[v][t]);
    }
  }
};

}  // namespace flexinfer::neon
