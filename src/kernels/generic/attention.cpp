#include "kernels/generic/attention.h"

#include <algorithm>

#include "kernels/generic/float_product.h"
#include "quant/dequantize.h"

namespace flexinfer::generic {
namespace {

constexpr int64_t kChunk = 64;  // elements converted at once: whole blocks of every cache type

// The row of a cache is the row of a tensor of the type that is named alike.
GgmlType tensor_type(CacheType type) {
  switch (type) {
    case CacheType::kF32:
      return GgmlType::kF32;
    case CacheType::kF16:
      return GgmlType::kF16;
    case CacheType::kQ8_0:
      return GgmlType::kQ8_0;
  }
  return GgmlType::kF32;
}

void scores(CacheType type, const AttentionScoresArgs& args) {
  const size_t row_bytes = cache_row_bytes(type, args.head_dim);
  for (int64_t q = 0; q < args.n_queries; q++) {
    multiply_by_floats(tensor_type(type),
                       {.weights = args.keys + static_cast<size_t>(args.positions.begin) * row_bytes,
                        .row_bytes = row_bytes,
                        .n_rows = args.positions.end - args.positions.begin,
                        .cols = args.head_dim,
                        .activations = reinterpret_cast<const std::byte*>(args.queries[q]),
                        .activation_bytes = 0,
                        .n_tokens = 1,
                        .out = args.scores + q * kAttentionBlock + args.positions.begin,
                        .out_stride = 0});
  }
}

void values_of(CacheType type, const AttentionValuesArgs& args) {
  const size_t row_bytes = cache_row_bytes(type, args.head_dim);
  for (int64_t q = 0; q < args.n_queries; q++) {
    const float* weights = args.weights + q * kAttentionBlock;
    float* out = args.out[q];
    std::fill_n(out, args.head_dim, 0.0f);
    for (int64_t p = args.visible[q].begin; p < args.visible[q].end; p++) {
      const std::byte* row = args.values + static_cast<size_t>(p) * row_bytes;
      for (int64_t d = 0; d < args.head_dim; d += kChunk) {
        float chunk[kChunk];
        const int64_t width = std::min(kChunk, args.head_dim - d);
        dequantize_row(tensor_type(type), row + cache_row_bytes(type, d), width, chunk);
        for (int64_t i = 0; i < width; i++)
          out[d + i] += weights[p] * chunk[i];
      }
    }
  }
}

}  // namespace

void cache_store_f32(const float* in, std::byte* out, int64_t head_dim) {
  quantize_row(GgmlType::kF32, in, head_dim, out);
}

void cache_store_f16(const float* in, std::byte* out, int64_t head_dim) {
  quantize_row(GgmlType::kF16, in, head_dim, out);
}

void cache_store_q8_0(const float* in, std::byte* out, int64_t head_dim) {
  quantize_row(GgmlType::kQ8_0, in, head_dim, out);
}

void attention_scores_f32(const AttentionScoresArgs& args) {
  scores(CacheType::kF32, args);
}

void attention_scores_f16(const AttentionScoresArgs& args) {
  scores(CacheType::kF16, args);
}

void attention_scores_q8_0(const AttentionScoresArgs& args) {
  scores(CacheType::kQ8_0, args);
}

void attention_values_f32(const AttentionValuesArgs& args) {
  values_of(CacheType::kF32, args);
}

void attention_values_f16(const AttentionValuesArgs& args) {
  values_of(CacheType::kF16, args);
}

void attention_values_q8_0(const AttentionValuesArgs& args) {
  values_of(CacheType::kQ8_0, args);
}

}  // namespace flexinfer::generic
