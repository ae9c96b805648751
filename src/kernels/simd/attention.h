// One head's attention over its cache. The contracts are CacheStoreFn, AttentionScoresFn and
// AttentionValuesFn (kernels/kernel_table.h).
#pragma once

#include "kernels/simd/float_product.h"
#include "kernels/simd/quantise.h"

namespace flexinfer::simd {

inline constexpr int kColumnTile = 4;  // vectors of sums in registers: independent, to cover the latency

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

template <class Row>
void attention_scores(const float* q, const std::byte* keys, int64_t n, int64_t head_dim, float scale,
                      float* scores) {
  using Isa = typename Row::Isa;
  multiply_floats<Row>({.weights = keys,
                        .row_bytes = Row::bytes(head_dim),
                        .n_rows = n,
                        .cols = head_dim,
                        .activations = reinterpret_cast<const std::byte*>(q),
                        .activation_bytes = 0,
                        .n_tokens = 1,
                        .out = scores,
                        .out_stride = 0});
  const auto factor = Isa::broadcast(scale);
  for_each_vector<Isa>(n, [&](int64_t p, auto lanes) {
    Isa::store(scores + p, Isa::load(scores + p, lanes) * factor, lanes);
  });
}

// The columns of n_vectors vectors from `col` on, summed over all positions.
template <class Row, int n_vectors>
void sum_columns(const float* weights, const std::byte* values, size_t row_bytes, int64_t n, int64_t col,
                 auto lanes, float* out) {
  using Isa = typename Row::Isa;
  typename Isa::Float sums[n_vectors] = {};
  for (int64_t p = 0; p < n; p++) {
    const std::byte* row = values + static_cast<size_t>(p) * row_bytes;
    const auto weight = Isa::broadcast(weights[p]);
    for (int v = 0; v < n_vectors; v++)
      sums[v] = Isa::multiply_add(weight, Row::load(row, col + v * Isa::kLanes, lanes), sums[v]);
  }
  for (int v = 0; v < n_vectors; v++)
    Isa::store(out + col + v * Isa::kLanes, sums[v], lanes);
}

template <class Row>
void attention_values(const float* weights, const std::byte* values, int64_t n, int64_t head_dim,
                      float* out) {
  using Isa = typename Row::Isa;
  constexpr int64_t kTile = kColumnTile * Isa::kLanes;
  const size_t row_bytes = Row::bytes(head_dim);
  int64_t col = 0;
  for (; col + kTile <= head_dim; col += kTile)
    sum_columns<Row, kColumnTile>(weights, values, row_bytes, n, col, AllLanes{}, out);
  for_each_vector<Isa>(head_dim - col, [&](int64_t i, auto lanes) {
    sum_columns<Row, 1>(weights, values, row_bytes, n, col + i, lanes, out);
  });
}

}  // namespace flexinfer::simd
