#include "model/kv_cache.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/bytes.h"

namespace flexinfer {
namespace {

// Far above any model, and with kMostCacheBytes low enough for sums of sizes not to overflow.
constexpr int64_t kMostPositions = int64_t{1} << 28;
constexpr uint64_t kMostCacheBytes = uint64_t{1} << 47;  // what a process can address

}  // namespace

int64_t KvCacheShape::capacity(size_t layer) const {
  return cache_capacity(windows[layer], n_batch_tokens, context_length);
}

uint64_t KvCacheShape::layer_bytes(size_t layer) const {
  return static_cast<uint64_t>(n_sequences) *
         cache_sequence_bytes(capacity(layer), n_kv_heads, cache_row_bytes(type, head_dim));
}

uint64_t KvCacheShape::bytes() const {
  uint64_t total = 0;
  for (size_t layer = 0; layer < windows.size(); ++layer)
    total += layer_bytes(layer);
  return total;
}

int64_t KvCacheShape::earliest_resume(int64_t n_tokens) const {
  int64_t earliest = 0;
  for (size_t layer = 0; layer < windows.size(); ++layer) {
    const int64_t lost = n_tokens - capacity(layer);  // the layer holds the positions from here on
    if (lost > 0) earliest = std::max(earliest, lost + windows[layer] - 1);
  }
  return earliest;
}

Result<KvCacheShape> kv_cache_shape(const Hyperparameters& hp, CacheType type, int64_t context_length) {
  if (type == CacheType::kQ8_0 && hp.attention.head_dim % 32 != 0) {
    return make_error(
        ErrorCode::kUsage,
        fmt::format("a q8_0 cache needs heads of a multiple of 32 dimensions, this model's have {}: "
                    "use --cache-type f16",
                    hp.attention.head_dim));
  }
  if (context_length < 1 || context_length > kMostPositions) {
    return make_error(ErrorCode::kUsage,
                      fmt::format("a context has 1 to {} positions, not {}", kMostPositions, context_length));
  }
  KvCacheShape shape;
  for (const LayerFacts& layer : hp.layers)
    shape.windows.push_back(layer.window);
  shape.n_kv_heads = hp.attention.n_kv_heads;
  shape.head_dim = hp.attention.head_dim;
  shape.context_length = context_length;
  shape.type = type;
  const uint64_t position_bytes =
      shape.windows.size() * cache_sequence_bytes(1, shape.n_kv_heads, cache_row_bytes(type, shape.head_dim));
  if (static_cast<uint64_t>(context_length) > kMostCacheBytes / std::max<uint64_t>(position_bytes, 1)) {
    return make_error(
        ErrorCode::kUsage,
        fmt::format("a KV cache of {} positions of {} each is more than can be addressed: lower --ctx",
                    context_length, format_bytes(position_bytes)));
  }
  return shape;
}

Result<KvCache> KvCache::allocate(const KvCacheShape& shape) {
  KvCache cache;
  cache.shape_ = shape;
  uint64_t size = 0;
  for (size_t layer = 0; layer < shape.windows.size(); ++layer) {
    cache.offsets_.push_back(size);
    size += shape.layer_bytes(layer);
  }
  FLEX_TRY(cache.memory_, PageBuffer::allocate(size));
  return cache;
}

CacheLayer KvCache::layer(size_t index) const {
  CacheLayer layer;
  layer.type = shape_.type;
  layer.data = memory_.data() + offsets_[index];
  layer.capacity = shape_.capacity(index);
  layer.n_kv_heads = shape_.n_kv_heads;
  layer.row_bytes = cache_row_bytes(shape_.type, shape_.head_dim);
  layer.sequence_bytes = cache_sequence_bytes(layer.capacity, layer.n_kv_heads, layer.row_bytes);
  return layer;
}

}  // namespace flexinfer
