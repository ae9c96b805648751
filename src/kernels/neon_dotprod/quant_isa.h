// The quantised products with NEON's dot products of four bytes.
#pragma once

#include "kernels/neon/panel_isa.h"

namespace flexinfer::neon_dotprod {

struct QuantIsa : neon::PanelIsa {
  template <simd::Encoding, int n_words, int n_vectors, int n_tokens>
  [[gnu::always_inline]] static void dot(const Word* const (&weights)[n_vectors],
                                         const std::byte* const (&values)[n_tokens],
                                         Int (&sums)[n_vectors][n_tokens]) {
    static_assert(n_words % 4 == 0);
#pragma GCC unroll 2
    for (int i = 0; i < n_words; i += 4) {
#pragma GCC unroll 8
      for (int t = 0; t < n_tokens; t++) {
        const int8x16_t four_words = vld1q_s8(reinterpret_cast<const int8_t*>(values[t] + 4 * i));
#pragma GCC unroll 8
        for (int v = 0; v < n_vectors; v++)
          add_four_words(weights[v] + i, four_words, sums[v][t]);
      }
    }
  }

 private:
  [[gnu::always_inline]] static void add_four_words(const Word* weights, int8x16_t values, Int& sums) {
    auto sum = reinterpret_cast<int32x4_t>(sums);
    sum = vdotq_laneq_s32(sum, reinterpret_cast<int8x16_t>(weights[0]), values, 0);
    sum = vdotq_laneq_s32(sum, reinterpret_cast<int8x16_t>(weights[1]), values, 1);
    sum = vdotq_laneq_s32(sum, reinterpret_cast<int8x16_t>(weights[2]), values, 2);
    sum = vdotq_laneq_s32(sum, reinterpret_cast<int8x16_t>(weights[3]), values, 3);
    sums = reinterpret_cast<Int>(sum);
  }
};

}  // namespace flexinfer::neon_dotprod
