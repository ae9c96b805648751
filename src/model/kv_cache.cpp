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

uint64_t KvCacheShape::position_bytes() const {
  return 2 * static_cast<uint64_t>(n_layers * n_kv_heads) * cache_row_bytes(type, head_dim);
}

uint64_t KvCacheShape::bytes() const {
  return position_bytes() * static_cast<uint64_t>(n_sequences * context_length);
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
  shape.n_layers = hp.n_layers;
  shape.n_kv_heads = hp.attention.n_kv_heads;
  shape.head_dim = hp.attention.head_dim;
  shape.context_length = context_length;
  shape.type = type;
  if (static_cast<uint64_t>(context_length) >
      kMostCacheBytes / std::max<uint64_t>(shape.position_bytes(), 1)) {
    return make_error(
        ErrorCode::kUsage,
        fmt::format("a KV cache of {} positions of {} each is more than can be addressed: lower --ctx",
                    context_length, format_bytes(shape.position_bytes())));
  }
  return shape;
}

Result<KvCache> KvCache::allocate(const KvCacheShape& shape) {
  KvCache cache;
  cache.shape_ = shape;
  FLEX_TRY(cache.memory_, PageBuffer::allocate(shape.bytes()));
  return cache;
}

CacheLayer KvCache::layer(int64_t index) const {
  CacheLayer layer;
  layer.type = shape_.type;
  layer.head_bytes =
      static_cast<size_t>(shape_.context_length) * cache_row_bytes(shape_.type, shape_.head_dim);
  layer.sequence_bytes = static_cast<size_t>(shape_.n_kv_heads) * layer.head_bytes;
  const size_t half = static_cast<size_t>(shape_.n_sequences) * layer.sequence_bytes;
  layer.keys = memory_.data() + static_cast<size_t>(index) * 2 * half;
  layer.values = layer.keys + half;
  return layer;
}

}  // namespace flexinfer
