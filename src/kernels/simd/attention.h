// Attention over one block of a cache. The contracts are CacheStoreFn, AttentionScoresFn and
// AttentionValuesFn (kernels/kernel_table.h).
#pragma once

#include "kernels/kernel_table.h"
#include "kernels/simd/ask_ahead.h"
#include "kernels/simd/float_rows.h"
#include "kernels/simd/quantise.h"

namespace flexinfer::simd {

inline constexpr int kPositionTile = 4;  // positions whose keys are multiplied together
inline constexpr int kColumnTile = 4;    // vectors of sums in registers: independent, to cover the latency
inline constexpr size_t kCacheAhead = 4096;  // bytes ahead that rows of a cache are asked for

template <class Isa>
void cache_store_f32(const float* in, std::byte* out, int64_t head_dim) {
  __builtin_memcpy(out, in, static_cast<size_t>(head_dim) * 4);
}

template <class Isa>
void cache_store_f16(const float* in, std::byte* out, int64_t head_dim) {
  for_each_vector<Isa>(head_dim, [&](int64_t i, auto lanes) {
    Isa::store_halves(out + i * 2, Isa::float_to_half(Isa::load(in + i, lanes)), lanes);
  });
}

template <class Isa>
void cache_store_q8_0(const float* in, std::byte* out, int64_t head_dim) {
  static_assert(BlockQ8_0::kWeights == kActivationBlock);
  for (int64_t i = 0; i < head_dim; i += BlockQ8_0::kWeights) {
    const QuantisedBlock<Isa> block = quantise_block<Isa>(in + i);
    const Half scale = Isa::float_to_half(block.scale);
    __builtin_memcpy(out + offsetof(BlockQ8_0, d), &scale, sizeof scale);
    Isa::store_bytes(block.quants, out + offsetof(BlockQ8_0, qs));
    out += sizeof(BlockQ8_0);
  }
}

// An element is summed in the lanes of one vector by fused multiply-adds, lane i taking the dimensions that
// leave i when divided by kLanes, in every shape of tile.
template <class Row, int n_queries, int n_positions>
void score_tile(const float* const* queries, const std::byte* keys, int64_t head_dim, float* scores) {
  using Isa = typename Row::Isa;
  using Float = typename Isa::Float;
  const size_t row_bytes = Row::bytes(head_dim);
  Float sums[n_positions][n_queries] = {};
  for_each_vector<Isa>(head_dim, [&](int64_t d, auto lanes) {
    Float k[n_positions];
    for (size_t p = 0; p < n_positions; p++)
      k[p] = Row::load(keys + p * row_bytes, d, lanes);
    for (int q = 0; q < n_queries; q++) {
      const Float x = Isa::load(queries[q] + d, lanes);
      for (int p = 0; p < n_positions; p++)
        sums[p][q] = Isa::multiply_add(k[p], x, sums[p][q]);
    }
  });
  for (int q = 0; q < n_queries; q++) {
    Float of_query[kPositionTile] = {};
    for (int p = 0; p < n_positions; p++)
      of_query[p] = sums[p][q];
    float folded[kPositionTile];
    Isa::sums_of_lanes(of_query, folded);
    for (int p = 0; p < n_positions; p++)
      scores[q * kAttentionBlock + p] = folded[p];
  }
}

// The queries from `first` on, in tiles of tile_queries, then of half as many.
template <class Row, int tile_queries>
void score_queries(const AttentionScoresArgs& args, int64_t first) {
  const size_t row_bytes = Row::bytes(args.head_dim);
  for (; first + tile_queries <= args.n_queries; first += tile_queries) {
    const float* const* queries = args.queries + first;
    float* scores = args.scores + first * kAttentionBlock;
    int64_t p = args.positions.begin;
    for (; p + kPositionTile <= args.positions.end; p += kPositionTile) {
      const std::byte* keys = args.keys + static_cast<size_t>(p) * row_bytes;
      if (first == 0) ask_for(keys + kCacheAhead, kPositionTile * row_bytes);
      score_tile<Row, tile_queries, kPositionTile>(queries, keys, args.head_dim, scores + p);
    }
    for (; p < args.positions.end; p++) {
      score_tile<Row, tile_queries, 1>(queries, args.keys + static_cast<size_t>(p) * row_bytes, args.head_dim,
                                       scores + p);
    }
  }
  if constexpr (tile_queries > 1) score_queries<Row, tile_queries / 2>(args, first);
}

template <class Row>
void attention_scores(const AttentionScoresArgs& args) {
  score_queries<Row, Row::Isa::kTokenTile>(args, 0);
}

// The columns of n_vectors vectors from `col` on: what the positions of `seen` add to the outputs of some
// queries, whose weights stand kAttentionBlock apart.
template <class Row, int n_queries, int n_vectors>
void add_columns(const float* weights, Visible seen, const std::byte* values, size_t row_bytes, int64_t col,
                 auto lanes, float* const* out, bool ask) {
  using Isa = typename Row::Isa;
  using Float = typename Isa::Float;
  Float sums[n_queries][n_vectors];
  for (int q = 0; q < n_queries; q++) {
    for (int v = 0; v < n_vectors; v++)
      sums[q][v] = Isa::load(out[q] + col + v * Isa::kLanes, lanes);
  }
  for (int64_t p = seen.begin; p < seen.end; p++) {
    const std::byte* row = values + static_cast<size_t>(p) * row_bytes;
    if (ask) ask_for(row + kCacheAhead, row_bytes);
    Float x[n_vectors];
    for (int v = 0; v < n_vectors; v++)
      x[v] = Row::load(row, col + v * Isa::kLanes, lanes);
    for (int q = 0; q < n_queries; q++) {
      const Float weight = Isa::broadcast(weights[q * kAttentionBlock + p]);
      for (int v = 0; v < n_vectors; v++)
        sums[q][v] = Isa::multiply_add(weight, x[v], sums[q][v]);
    }
  }
  for (int q = 0; q < n_queries; q++) {
    for (int v = 0; v < n_vectors; v++)
      Isa::store(out[q] + col + v * Isa::kLanes, sums[q][v], lanes);
  }
}

template <class Row, int n_queries>
void add_values(const AttentionValuesArgs& args, int64_t first, Visible seen) {
  using Isa = typename Row::Isa;
  constexpr int64_t kTile = kColumnTile * Isa::kLanes;
  if (seen.begin >= seen.end) return;
  const size_t row_bytes = Row::bytes(args.head_dim);
  const float* weights = args.weights + first * kAttentionBlock;
  float* const* out = args.out + first;
  int64_t col = 0;
  for (; col + kTile <= args.head_dim; col += kTile)
    add_columns<Row, n_queries, kColumnTile>(weights, seen, args.values, row_bytes, col, AllLanes{}, out,
                                             first == 0 && col == 0);
  for_each_vector<Isa>(args.head_dim - col, [&](int64_t i, auto lanes) {
    add_columns<Row, n_queries, 1>(weights, seen, args.values, row_bytes, col + i, lanes, out, false);
  });
}

// Positions that all queries of a tile see are read once for all; each query's others before and after them.
template <class Row, int tile_queries>
void values_of_queries(const AttentionValuesArgs& args, int64_t first) {
  for (; first + tile_queries <= args.n_queries; first += tile_queries) {
    Visible shared{0, kAttentionBlock};
    for (int64_t q = first; q < first + tile_queries; q++) {
      shared.begin = args.visible[q].begin > shared.begin ? args.visible[q].begin : shared.begin;
      shared.end = args.visible[q].end < shared.end ? args.visible[q].end : shared.end;
    }
    if (shared.begin >= shared.end) shared = {kAttentionBlock, kAttentionBlock};
    for (int64_t q = first; q < first + tile_queries; q++) {
      const Visible seen = args.visible[q];
      add_values<Row, 1>(args, q, {seen.begin, seen.end < shared.begin ? seen.end : shared.begin});
    }
    add_values<Row, tile_queries>(args, first, shared);
    for (int64_t q = first; q < first + tile_queries; q++)
      add_values<Row, 1>(args, q, {shared.end, args.visible[q].end});
  }
  if constexpr (tile_queries > 1) values_of_queries<Row, tile_queries / 2>(args, first);
}

template <class Row>
void attention_values(const AttentionValuesArgs& args) {
  for (int64_t q = 0; q < args.n_queries; q++)
    __builtin_memset(args.out[q], 0, static_cast<size_t>(args.head_dim) * sizeof(float));
  values_of_queries<Row, Row::Isa::kTokenTile>(args, 0);
}

}  // namespace flexinfer::simd
