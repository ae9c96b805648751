// The product of rows of weights (see rows.h) and float activations, for AVX-512. An output element is summed
// in 16 lanes by fused multiply-adds, lane i taking the columns that leave i when divided by 16, in every
// shape of tile.
#pragma once

#include "kernels/avx512/rows.h"
#include "kernels/kernel_table.h"

namespace flexinfer::avx512 {

inline constexpr int64_t kRowTile = 4;    // independent sums, enough to cover the latency of a multiply-add
inline constexpr int64_t kTokenTile = 4;  // tokens that share one conversion of the weights

template <class Row, int kRows, int kTokens>
void multiply_tile(const MatmulArgs& args, int64_t first_row, int64_t first_token) {
  const std::byte* weights = args.weights + static_cast<size_t>(first_row) * args.row_bytes;
  const std::byte* activations = args.activations + static_cast<size_t>(first_token) * args.activation_bytes;
  __m512 sums[kRows][kTokens];
  for (auto& row : sums) {
    for (__m512& sum : row)
      sum = _mm512_setzero_ps();
  }
  auto multiply_columns = [&](int64_t col, auto lanes) {
    __m512 w[kRows];
    for (size_t r = 0; r < kRows; r++)
      w[r] = Row::load(weights + r * args.row_bytes, col, lanes);
    for (size_t t = 0; t < kTokens; t++) {
      const __m512 x = F32Row::load(activations + t * args.activation_bytes, col, lanes);
      for (size_t r = 0; r < kRows; r++)
        sums[r][t] = _mm512_fmadd_ps(w[r], x, sums[r][t]);
    }
  };
  for_each_vector(args.cols, multiply_columns);
  for (int64_t t = 0; t < kTokens; t++) {
    float* out = args.out + (first_token + t) * args.out_stride + first_row;
    for (int64_t r = 0; r < kRows; r++)
      out[r] = _mm512_reduce_add_ps(sums[r][t]);
  }
}

// The tokens from `token` on, in tiles of kTokens, then of half as many.
template <class Row, int kRows, int kTokens>
void multiply_tokens(const MatmulArgs& args, int64_t first_row, int64_t token) {
  for (; token + kTokens <= args.n_tokens; token += kTokens) {
    multiply_tile<Row, kRows, kTokens>(args, first_row, token);
  }
  if constexpr (kTokens > 1) multiply_tokens<Row, kRows, kTokens / 2>(args, first_row, token);
}

template <class Row>
void multiply(const MatmulArgs& args) {
  int64_t row = 0;
  for (; row + kRowTile <= args.n_rows; row += kRowTile)
    multiply_tokens<Row, kRowTile, kTokenTile>(args, row, 0);
  for (; row < args.n_rows; row++)
    multiply_tokens<Row, 1, kTokenTile>(args, row, 0);
}

}  // namespace flexinfer::avx512
