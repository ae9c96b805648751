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
inline constexpr int64_t kChunk = 16;  // positions that all queries pass over while the first cache has them
inline constexpr int64_t kMostColumns = 256;  // of keys that are converted for all queries
inline constexpr size_t kCacheAhead = 2048;   // bytes ahead that rows of a cache are asked for

// Rows at `data`, the first of them that of position `first`.
struct PositionRows {
  const std::byte* data;
  size_t row_bytes;
  int64_t first = 0;

  const std::byte* at(int64_t position) const {
    return data + static_cast<size_t>(position - first) * row_bytes;
  }
};

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

// body(chunk) for each chunk of some positions of a block.
template <class Body>
[[gnu::always_inline]] inline void for_each_chunk(Visible positions, Body body) {
  for (int64_t p = positions.begin; p < positions.end; p += kChunk)
    body(Visible{p, p + kChunk < positions.end ? p + kChunk : positions.end});
}

// Columns from `col` on of the positions of a chunk, as floats n_cols apart, a whole number of vectors.
template <class Row>
void convert_rows(const PositionRows& rows, Visible chunk, int64_t col, int64_t n_cols, int64_t head_dim,
                  float* to) {
  using Isa = typename Row::Isa;
  const int64_t n = head_dim - col < n_cols ? head_dim - col : n_cols;
  for (int64_t p = chunk.begin; p < chunk.end; p++, to += n_cols) {
    const std::byte* row = rows.at(p);
    if (col == 0) ask_for<AskedTo::kFirstCache>(row + kCacheAhead, rows.row_bytes);
    for_each_vector<Isa>(
        n, [&](int64_t i, auto lanes) { Isa::store(to + i, Row::load(row, col + i, lanes), AllLanes{}); });
  }
}

// An element is summed in the lanes of one vector by fused multiply-adds, lane i taking the dimensions that
// leave i when divided by kLanes, in every shape of tile. Where head_dim is a whole number of vectors the
// loop runs at least once and has no end of another kind: a compiler then keeps the sums in registers
// throughout.
template <class Row, bool whole_units, int n_queries, int n_positions>
void score_tile(const float* const* queries, const std::byte* keys, size_t row_bytes, int64_t head_dim,
                float* scores) {
  using Isa = typename Row::Isa;
  using Float = typename Isa::Float;
  Float sums[n_positions][n_queries] = {};
  const auto add_products = [&](const std::byte* rows, int64_t col, int64_t d, auto lanes)
                                [[gnu::always_inline]] {
                                  Float k[n_positions];
                                  for (size_t p = 0; p < n_positions; p++)
                                    k[p] = Row::load(rows + p * row_bytes, col, lanes);
                                  for (int q = 0; q < n_queries; q++) {
                                    const Float x = Isa::load(queries[q] + d, lanes);
                                    for (int p = 0; p < n_positions; p++)
                                      sums[p][q] = Isa::multiply_add(k[p], x, sums[p][q]);
                                  }
                                };
  if constexpr (whole_units) {
    int64_t d = 0;
    do {
#pragma GCC unroll 8
      for (int64_t col = 0; col < Row::kUnit; col += Isa::kLanes)
        add_products(keys, col, d + col, AllLanes{});
      keys += Row::bytes(Row::kUnit);
      d += Row::kUnit;
    } while (d < head_dim);
  } else {
    for_each_vector<Isa>(head_dim, [&](int64_t d, auto lanes) { add_products(keys, d, d, lanes); });
  }
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

// The positions of a chunk for the queries from `first` on, in tiles of tile_queries, then of half as many.
template <class Row, bool whole_units, int tile_queries>
void score_chunk(const AttentionScoresArgs& args, const PositionRows& keys, Visible chunk, int64_t first,
                 bool ask) {
  const auto tile = [&]<int n_positions>(int64_t p) {
    score_tile<Row, whole_units, tile_queries, n_positions>(args.queries + first, keys.at(p), keys.row_bytes,
                                                            args.head_dim,
                                                            args.scores + first * kAttentionBlock + p);
  };
  for (; first + tile_queries <= args.n_queries; first += tile_queries) {
    int64_t p = chunk.begin;
    for (; p + kPositionTile <= chunk.end; p += kPositionTile) {
      if (ask && first == 0)
        ask_for<AskedTo::kFirstCache>(keys.at(p) + kCacheAhead, kPositionTile * keys.row_bytes);
      tile.template operator()<kPositionTile>(p);
    }
    for (; p < chunk.end; p++)
      tile.template operator()<1>(p);
  }
  if constexpr (tile_queries > 1)
    score_chunk<Row, whole_units, tile_queries / 2>(args, keys, chunk, first, ask);
}

// Where queries are more than a tile, keys are converted once for all of them.
template <class Row, bool whole_units>
void score_queries(const AttentionScoresArgs& args) {
  using Isa = typename Row::Isa;
  constexpr int kTile = Isa::kTokenTile;
  const PositionRows keys{args.keys, Row::bytes(args.head_dim)};
  const int64_t padded = (args.head_dim + Isa::kLanes - 1) / Isa::kLanes * Isa::kLanes;
  const bool convert = args.n_queries > kTile && padded <= kMostColumns;
  alignas(64) float converted[kChunk * kMostColumns];
  for_each_chunk(args.positions, [&](Visible chunk) {
    if (!convert) return score_chunk<Row, whole_units, kTile>(args, keys, chunk, 0, true);
    convert_rows<Row>(keys, chunk, 0, padded, args.head_dim, converted);
    const PositionRows floats{reinterpret_cast<const std::byte*>(converted),
                              static_cast<size_t>(padded) * sizeof(float), chunk.begin};
    score_chunk<F32Row<Isa>, whole_units, kTile>(args, floats, chunk, 0, false);
  });
}

template <class Row>
void attention_scores(const AttentionScoresArgs& args) {
  if (args.head_dim % Row::kUnit == 0) return score_queries<Row, true>(args);
  score_queries<Row, false>(args);
}

// Some columns of the outputs, n_vectors vectors wide from `col` on, and the rows whose first columns are the
// values of them.
template <class Row, int n_vectors, class LanesOfRow>
struct Columns {
  using Isa = typename Row::Isa;
  static constexpr int kVectors = n_vectors;
  PositionRows values;
  int64_t col;
  LanesOfRow lanes;
  bool ask;

  auto value(const std::byte* row, int v) const { return Row::load(row, v * Isa::kLanes, lanes); }
  [[gnu::always_inline]] void ask_ahead(const std::byte* row) const {
    if (ask) ask_for<AskedTo::kFirstCache>(row + kCacheAhead, Row::bytes(kVectors * Isa::kLanes));
  }
  auto load(const float* out, int v) const { return Isa::load(out + col + v * Isa::kLanes, lanes); }
  void store(float* out, int v, typename Isa::Float x) const {
    Isa::store(out + col + v * Isa::kLanes, x, lanes);
  }
};

// What the positions of `seen` add to columns of the outputs of the queries from `first` on.
template <int n_queries, class Columns>
[[gnu::always_inline]] inline void add_columns(const AttentionValuesArgs& args, const Columns& columns,
                                               int64_t first, Visible seen) {
  using Isa = typename Columns::Isa;
  using Float = typename Isa::Float;
  constexpr int kVectors = Columns::kVectors;
  if (seen.begin >= seen.end) return;
  float* const* out = args.out + first;
  const float* weights = args.weights + first * kAttentionBlock;
  Float sums[n_queries][kVectors];
  for (int q = 0; q < n_queries; q++) {
    for (int v = 0; v < kVectors; v++)
      sums[q][v] = columns.load(out[q], v);
  }
  for (int64_t p = seen.begin; p < seen.end; p++) {
    const std::byte* row = columns.values.at(p);
    columns.ask_ahead(row);
    Float x[kVectors];
    for (int v = 0; v < kVectors; v++)
      x[v] = columns.value(row, v);
    for (int q = 0; q < n_queries; q++) {
      const Float weight = Isa::broadcast(weights[q * kAttentionBlock + p]);
      for (int v = 0; v < kVectors; v++)
        sums[q][v] = Isa::multiply_add(weight, x[v], sums[q][v]);
    }
  }
  for (int q = 0; q < n_queries; q++) {
    for (int v = 0; v < kVectors; v++)
      columns.store(out[q], v, sums[q][v]);
  }
}

// The positions that both see; none where begin is not below end.
inline Visible overlap(Visible a, Visible b) {
  return {a.begin > b.begin ? a.begin : b.begin, a.end < b.end ? a.end : b.end};
}

// Positions of a chunk that all queries of a tile see are read once for all; each query's others before and
// after them.
template <int tile_queries, class Columns>
void add_seen(const AttentionValuesArgs& args, const Columns& columns, int64_t first, Visible chunk) {
  Visible shared = chunk;
  for (int64_t q = first; q < first + tile_queries; q++)
    shared = overlap(shared, args.visible[q]);
  if (shared.begin >= shared.end) shared = {chunk.end, chunk.end};
  for (int64_t q = first; q < first + tile_queries; q++)
    add_columns<1>(args, columns, q, overlap(args.visible[q], {chunk.begin, shared.begin}));
  add_columns<tile_queries>(args, columns, first, shared);
  for (int64_t q = first; q < first + tile_queries; q++)
    add_columns<1>(args, columns, q, overlap(args.visible[q], {shared.end, chunk.end}));
}

// The queries from `first` on, in tiles of tile_queries, then of half as many.
template <int tile_queries, class Columns>
[[gnu::always_inline]] inline void add_chunk(const AttentionValuesArgs& args, const Columns& columns,
                                             int64_t first, Visible chunk, bool all_seen) {
  for (; first + tile_queries <= args.n_queries; first += tile_queries) {
    if (all_seen) {
      add_columns<tile_queries>(args, columns, first, chunk);
    } else {
      add_seen<tile_queries>(args, columns, first, chunk);
    }
  }
  if constexpr (tile_queries > 1) add_chunk<tile_queries / 2>(args, columns, first, chunk, all_seen);
}

// Some vectors of columns of a chunk, converted once for all queries where these are more than a tile, or
// where the columns begin within a unit.
template <class Row, int n_vectors>
void add_values(const AttentionValuesArgs& args, Visible chunk, bool all_seen, int64_t col, auto lanes) {
  using Isa = typename Row::Isa;
  constexpr int64_t kCols = n_vectors * Isa::kLanes;
  constexpr int kTile = Isa::kTokenTile;
  const PositionRows values{args.values, Row::bytes(args.head_dim)};
  if (args.n_queries <= kTile && col % Row::kUnit == 0) {
    const PositionRows from_col{args.values + Row::bytes(col), values.row_bytes};
    const Columns<Row, n_vectors, decltype(lanes)> columns{from_col, col, lanes, true};
    return add_chunk<kTile>(args, columns, 0, chunk, all_seen);
  }
  alignas(64) float converted[kChunk * kCols];
  convert_rows<Row>(values, chunk, col, kCols, args.head_dim, converted);
  const PositionRows floats{reinterpret_cast<const std::byte*>(converted), kCols * sizeof(float),
                            chunk.begin};
  const Columns<F32Row<Isa>, n_vectors, decltype(lanes)> columns{floats, col, lanes, false};
  add_chunk<kTile>(args, columns, 0, chunk, all_seen);
}

// Positions that any query sees, and those that all do.
struct Seen {
  Visible any{kAttentionBlock, 0};
  Visible all{0, kAttentionBlock};

  explicit Seen(const AttentionValuesArgs& args) {
    for (int64_t q = 0; q < args.n_queries; q++) {
      const Visible seen = args.visible[q];
      all = overlap(all, seen);
      if (seen.begin >= seen.end) continue;
      any = {seen.begin < any.begin ? seen.begin : any.begin, seen.end > any.end ? seen.end : any.end};
    }
  }
  bool by_all(Visible chunk) const { return all.begin <= chunk.begin && chunk.end <= all.end; }
};

template <class Row>
void attention_values(const AttentionValuesArgs& args) {
  using Isa = typename Row::Isa;
  constexpr int64_t kTile = kColumnTile * Isa::kLanes;
  const Seen seen(args);
  for (int64_t q = 0; q < args.n_queries; q++)
    __builtin_memset(args.out[q], 0, static_cast<size_t>(args.head_dim) * sizeof(float));
  for_each_chunk(seen.any, [&](Visible chunk) {
    const bool all_seen = seen.by_all(chunk);
    int64_t col = 0;
    for (; col + kTile <= args.head_dim; col += kTile)
      add_values<Row, kColumnTile>(args, chunk, all_seen, col, AllLanes{});
    for_each_vector<Isa>(args.head_dim - col, [&](int64_t i, auto lanes) {
      add_values<Row, 1>(args, chunk, all_seen, col + i, lanes);
    });
  });
}

}  // namespace flexinfer::simd
