// The product of rows of weights (see float_rows.h) and float activations. An output element is summed in the
// lanes of one vector by fused multiply-adds, lane i taking the columns that leave i when divided by kLanes,
// in every shape of tile.
#pragma once

#include "kernels/kernel_table.h"
#include "kernels/simd/float_rows.h"

namespace flexinfer::simd {

inline constexpr int64_t kRowTile = 4;  // independent sums, enough to cover the latency of a multiply-add
inline constexpr int64_t kFloatTokenBatch = 32;  // tokens whose activations stay in the second cache

template <class Row, int n_rows, int n_tokens>
void multiply_float_tile(const MatmulArgs& args, int64_t first_row, int64_t first_token) {
  using Isa = typename Row::Isa;
  using Float = typename Isa::Float;
  const std::byte* weights = args.weights + static_cast<size_t>(first_row) * args.row_bytes;
  const std::byte* activations = args.activations + static_cast<size_t>(first_token) * args.activation_bytes;
  Float sums[n_rows][n_tokens] = {};
  for_each_vector<Isa>(args.cols, [&](int64_t col, auto lanes) {
    Float w[n_rows];
    for (size_t r = 0; r < n_rows; r++)
      w[r] = Row::load(weights + r * args.row_bytes, col, lanes);
    for (size_t t = 0; t < n_tokens; t++) {
      const Float x = F32Row<Isa>::load(activations + t * args.activation_bytes, col, lanes);
      for (size_t r = 0; r < n_rows; r++)
        sums[r][t] = Isa::multiply_add(w[r], x, sums[r][t]);
    }
  });
  for (int64_t t = 0; t < n_tokens; t++) {
    float* out = args.out + (first_token + t) * args.out_stride + first_row;
    for (int64_t r = 0; r < n_rows; r++)
      out[r] = Isa::sum_of_lanes(sums[r][t]);
  }
}

// The tokens from `token` on, in tiles of tile_tokens, then of half as many.
template <class Row, int n_rows, int tile_tokens>
void multiply_float_tiles(const MatmulArgs& args, int64_t first_row, int64_t token) {
  for (; token + tile_tokens <= args.n_tokens; token += tile_tokens)
    multiply_float_tile<Row, n_rows, tile_tokens>(args, first_row, token);
  if constexpr (tile_tokens > 1) multiply_float_tiles<Row, n_rows, tile_tokens / 2>(args, first_row, token);
}

template <class Row>
void multiply_float_rows(const MatmulArgs& args) {
  constexpr int kTokenTile = Row::Isa::kTokenTile;
  int64_t row = 0;
  for (; row + kRowTile <= args.n_rows; row += kRowTile)
    multiply_float_tiles<Row, kRowTile, kTokenTile>(args, row, 0);
  for (; row < args.n_rows; row++)
    multiply_float_tiles<Row, 1, kTokenTile>(args, row, 0);
}

// As MatmulArgs says, for weights of the type of Row; cols may be any number of whole blocks.
template <class Row>
void multiply_floats(const MatmulArgs& args) {
  for (int64_t t = 0; t < args.n_tokens; t += kFloatTokenBatch) {
    MatmulArgs batch = args;
    batch.activations += static_cast<size_t>(t) * args.activation_bytes;
    batch.n_tokens = args.n_tokens - t < kFloatTokenBatch ? args.n_tokens - t : kFloatTokenBatch;
    batch.out += t * args.out_stride;
    multiply_float_rows<Row>(batch);
  }
}

}  // namespace flexinfer::simd
