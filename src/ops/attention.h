// Causal grouped-query attention over a cache of keys and values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ops/compute.h"

namespace flexinfer {

// One layer of the cache. Head h of sequence s has its positions one after the other, cache_row_bytes(type,
// head_dim) each, from keys + s * sequence_bytes + h * head_bytes on; values alike.
struct CacheLayer {
  CacheType type = CacheType::kF16;
  std::byte* keys = nullptr;
  std::byte* values = nullptr;
  size_t head_bytes = 0;
  size_t sequence_bytes = 0;
};

struct AttentionShape {
  int64_t n_heads = 0;
  int64_t n_kv_heads = 0;  // divides n_heads; head h reads kv head h * n_kv_heads / n_heads
  int64_t head_dim = 0;
};

// Where each token of the batch stands: parallel arrays.
struct TokenPlaces {
  std::span<const int32_t> positions;
  std::span<const int32_t> sequences;
};

// Writes the batch's keys and values (rows of n_kv_heads * head_dim) to their places in the cache.
void store_cache(const Compute& compute, const AttentionShape& shape, const TokenPlaces& places,
                 const Rows& keys, const Rows& values, const CacheLayer& cache);

// out.row(t), head h = sum over p <= position(t) of softmax(q . k_p / sqrt(head_dim)) v_p, from the cache
// alone: a token sees its batch mates as it sees earlier tokens, so chunking does not change a bit. scores:
// one row of at least the context length for each thread.
void attend(const Compute& compute, const AttentionShape& shape, const TokenPlaces& places,
            const Rows& queries, const CacheLayer& cache, const Rows& scores, const Rows& out);

}  // namespace flexinfer
