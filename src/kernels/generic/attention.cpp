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

void scores(CacheType type, const float* q, const std::byte* keys, int64_t n, int64_t head_dim, float scale,
            float* out) {
  multiply_by_floats(tensor_type(type), {.weights = keys,
                                         .row_bytes = cache_row_bytes(type, head_dim),
                                         .n_rows = n,
                                         .cols = head_dim,
                                         .activations = reinterpret_cast<const std::byte*>(q),
                                         .activation_bytes = 0,
                                         .n_tokens = 1,
                                         .out = out,
                                         .out_stride = 0});
  for (int64_t p = 0; p < n; p++)
    out[p] *= scale;
}

void values_of(CacheType type, const float* weights, const std::byte* values, int64_t n, int64_t head_dim,
               float* out) {
  const size_t row_bytes = cache_row_bytes(type, head_dim);
  std::fill_n(out, head_dim, 0.0f);
  for (int64_t p = 0; p < n; p++) {
    const std::byte* row = values + static_cast<size_t>(p) * row_bytes;
    for (int64_t d = 0; d < head_dim; d += kChunk) {
      float chunk[kChunk];
      const int64_t width = std::min(kChunk, head_dim - d);
      dequantize_row(tensor_type(type), row + cache_row_bytes(type, d), width, chunk);
      for (int64_t i = 0; i < width; i++)
        out[d + i] += weights[p] * chunk[i];
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

void attention_scores_f32(const float* q, const std::byte* keys, int64_t n, int64_t head_dim, float scale,
                          float* out) {
  scores(CacheType::kF32, q, keys, n, head_dim, scale, out);
}

void attention_scores_f16(const float* q, const std::byte* keys, int64_t n, int64_t head_dim, float scale,
                          float* out) {
  scores(CacheType::kF16, q, keys, n, head_dim, scale, out);
}

void attention_scores_q8_0(const float* q, const std::byte* keys, int64_t n, int64_t head_dim, float scale,
                           float* out) {
  scores(CacheType::kQ8_0, q, keys, n, head_dim, scale, out);
}

void attention_values_f32(const float* weights, const std::byte* values, int64_t n, int64_t head_dim,
                          float* out) {
  values_of(CacheType::kF32, weights, values, n, head_dim, out);
}

void attention_values_f16(const float* weights, const std::byte* values, int64_t n, int64_t head_dim,
                          float* out) {
  values_of(CacheType::kF16, weights, values, n, head_dim, out);
}

void attention_values_q8_0(const float* weights, const std::byte* values, int64_t n, int64_t head_dim,
                           float* out) {
  values_of(CacheType::kQ8_0, weights, values, n, head_dim, out);
}

}  // namespace flexinfer::generic
