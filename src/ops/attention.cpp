#include "ops/attention.h"

#include <cmath>

namespace flexinfer {
namespace {

size_t cache_offset(const CacheLayer& cache, int32_t sequence, int64_t kv_head) {
  return static_cast<size_t>(sequence) * cache.sequence_bytes +
         static_cast<size_t>(kv_head) * cache.head_bytes;
}

}  // namespace

void store_cache(const Compute& compute, const AttentionShape& shape, const TokenPlaces& places,
                 const Rows& keys, const Rows& values, const CacheLayer& cache) {
  const CacheStoreFn store = compute.kernels.cache_store[static_cast<size_t>(cache.type)];
  const size_t row_bytes = cache_row_bytes(cache.type, shape.head_dim);
  compute.split(keys.n_rows, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const auto token = static_cast<size_t>(t);
      for (int64_t head = 0; head < shape.n_kv_heads; ++head) {
        const size_t offset = cache_offset(cache, places.sequences[token], head) +
                              static_cast<size_t>(places.positions[token]) * row_bytes;
        store(keys.row(t) + head * shape.head_dim, cache.keys + offset, shape.head_dim);
        store(values.row(t) + head * shape.head_dim, cache.values + offset, shape.head_dim);
      }
    }
  });
}

void attend(const Compute& compute, const AttentionShape& shape, const TokenPlaces& places,
            const Rows& queries, const CacheLayer& cache, const Rows& scores, const Rows& out) {
  const AttentionScoresFn score = compute.kernels.attention_scores[static_cast<size_t>(cache.type)];
  const AttentionValuesFn mix = compute.kernels.attention_values[static_cast<size_t>(cache.type)];
  const float scale = 1.0F / std::sqrt(static_cast<float>(shape.head_dim));
  compute.pool.run([&](int worker, int n_workers) {
    float* weights = scores.row(worker);
    const Range items = static_range(queries.n_rows * shape.n_heads, worker, n_workers);
    for (int64_t item = items.begin; item < items.end; ++item) {
      const int64_t t = item / shape.n_heads;
      const int64_t head = item % shape.n_heads;
      const auto token = static_cast<size_t>(t);
      const size_t offset =
          cache_offset(cache, places.sequences[token], head * shape.n_kv_heads / shape.n_heads);
      const int64_t n = places.positions[token] + 1;
      score(queries.row(t) + head * shape.head_dim, cache.keys + offset, n, shape.head_dim, scale, weights);
      compute.kernels.softmax(weights, n);
      mix(weights, cache.values + offset, n, shape.head_dim, out.row(t) + head * shape.head_dim);
    }
  });
}

}  // namespace flexinfer
