// Keys and values of the tokens seen so far.
#pragma once

#include <cstdint>

#include "base/page_buffer.h"
#include "base/result.h"
#include "model/hyperparameters.h"
#include "ops/attention.h"

namespace flexinfer {

struct KvCacheShape {
  int64_t n_layers = 0;
  int64_t n_sequences = 1;
  int64_t n_kv_heads = 0;
  int64_t head_dim = 0;
  int64_t context_length = 0;  // positions of each sequence
  CacheType type = CacheType::kF16;

  uint64_t position_bytes() const;  // one position of one sequence, all layers
  uint64_t bytes() const;
};

// kUsage where the element type cannot hold heads of this size, and for a context that no machine could hold:
// sizes that are computed from the shape do not overflow.
Result<KvCacheShape> kv_cache_shape(const Hyperparameters& hp, CacheType type, int64_t context_length);

// Owns the memory; a position becomes resident when it is written. Thread-compatible.
class KvCache {
 public:
  static Result<KvCache> allocate(const KvCacheShape& shape);
  CacheLayer layer(int64_t index) const;
  const KvCacheShape& shape() const { return shape_; }

 private:
  KvCacheShape shape_;
  PageBuffer memory_;
};

}  // namespace flexinfer
