// Causal grouped-query attention over a cache of keys and values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ops/compute.h"

namespace flexinfer {

// One layer of the cache. A sequence keeps its last `capacity` positions: position p lies in slot p %
// capacity. Slots are kept in blocks of kAttentionBlock; a block holds, head after head, the keys of its
// slots and then their values, row_bytes each. So one head's part of a block is contiguous, and memory
// becomes resident block by block. A capacity that positions exceed is a multiple of kAttentionBlock: blocks
// of slots are then blocks of positions. The last block of any other capacity is as short as it must be.
struct CacheLayer {
  CacheType type = CacheType::kF16;
  std::byte* data = nullptr;
  int64_t capacity = 0;
  int64_t n_kv_heads = 0;
  size_t row_bytes = 0;       // cache_row_bytes(type, head_dim)
  size_t sequence_bytes = 0;  // from one sequence to the next
};

// Bytes of one sequence of a layer.
constexpr size_t cache_sequence_bytes(int64_t capacity, int64_t n_kv_heads, size_t row_bytes) {
  return static_cast<size_t>(capacity * n_kv_heads) * 2 * row_bytes;
}

// Where the keys and the values of one head lie that belong to the same block as `position`: row 0 is that of
// the block's first position.
struct CacheBlock {
  std::byte* keys;
  std::byte* values;
};
CacheBlock cache_block(const CacheLayer& cache, int32_t sequence, int64_t kv_head, int64_t position);

// What a layer must keep where a token sees `window` positions (0: all) and batches have up to n_tokens: the
// first token of a batch still finds its window when the keys of the last one are stored.
int64_t cache_capacity(int64_t window, int64_t n_tokens, int64_t context_length);

struct AttentionShape {
  int64_t n_heads = 0;
  int64_t n_kv_heads = 0;  // divides n_heads; head h reads kv head h * n_kv_heads / n_heads
  int64_t head_dim = 0;
  float scale = 1.0F;     // of q . k, usually 1 / sqrt(head_dim)
  float soft_cap = 0.0F;  // scores become soft_cap * tanh(score / soft_cap); 0: they stay (Gemma 2)
  int64_t window = 0;     // the token at position p sees the positions above p - window; 0: all
};

// Where each token of the batch stands: parallel arrays.
struct TokenPlaces {
  std::span<const int32_t> positions;
  std::span<const int32_t> sequences;
};

// Writes the batch's keys and values (rows of n_kv_heads * head_dim) to their places in the cache. A position
// is at most once in a batch.
void store_cache(const Compute& compute, const AttentionShape& shape, const TokenPlaces& places,
                 const Rows& keys, const Rows& values, const CacheLayer& cache);

// Bytes of scratch that `attend` needs for batches of up to n_tokens.
size_t attention_scratch_bytes(const AttentionShape& shape, int64_t n_tokens, int64_t context_length,
                               int n_threads);

// out.row(t), head h = sum over the positions p that token t sees of softmax(scores)[p] * v_p, with
// scores[p] = scale * q . k_p, capped. `sinks`, one a head or none at all, is a further score that has no
// value: it only takes its share of the softmax (gpt-oss). Reads keys and values from the cache alone: a
// token sees its batch mates as it sees earlier tokens. scratch: attention_scratch_bytes, aligned to 64.
//
// The bits of an output depend on its query, the keys and values it sees and their positions: each block of
// positions is summed by itself, position by position, and blocks are merged in the order of positions,
// whichever thread computed them.
void attend(const Compute& compute, const AttentionShape& shape, std::span<const float> sinks,
            const TokenPlaces& places, const Rows& queries, const CacheLayer& cache, std::byte* scratch,
            const Rows& out);

}  // namespace flexinfer
