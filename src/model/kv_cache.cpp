#include "model/kv_cache.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/bytes.h"

namespace flexinfer {
namespace {

// With kMostPositions low enough for sums of sizes not to overflow.
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

int64_t KvCacheShape::first_needed(size_t layer, int64_t n_tokens) const {
  return windows[layer] == 0 ? 0 : std::max<int64_t>(n_tokens - windows[layer], 0);
}

bool KvCacheShape::is_windowed_at(int64_t n_tokens) const {
  return std::ranges::any_of(windows, [=](int64_t window) { return window > 0 && window < n_tokens; });
}

uint64_t KvCacheShape::position_bytes() const {
  return cache_sequence_bytes(1, n_kv_heads, cache_row_bytes(type, head_dim));
}

uint64_t KvCacheShape::saved_bytes(int64_t position, int64_t n_tokens) const {
  uint64_t n_layers = 0;
  for (size_t layer = 0; layer < windows.size(); ++layer)
    n_layers += position < first_needed(layer, n_tokens) ? 0 : 1;
  return n_layers * position_bytes();
}

uint64_t KvCacheShape::saved_bytes(int64_t n_tokens) const {
  uint64_t n_positions = 0;
  for (size_t layer = 0; layer < windows.size(); ++layer)
    n_positions += static_cast<uint64_t>(n_tokens - first_needed(layer, n_tokens));
  return n_positions * position_bytes();
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
  const uint64_t position_bytes = shape.windows.size() * shape.position_bytes();
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

// visit(row): the keys and values of one position of the first sequence.
template <class Visit>
void KvCache::for_each_row(int64_t position, int64_t n_tokens, Visit visit) const {
  for (size_t index = 0; index < shape_.windows.size(); ++index) {
    if (position < shape_.first_needed(index, n_tokens)) continue;
    const CacheLayer cached = layer(index);
    const auto offset = static_cast<size_t>(position % cached.capacity % kAttentionBlock) * cached.row_bytes;
    for (int64_t head = 0; head < shape_.n_kv_heads; ++head) {
      const CacheBlock block = cache_block(cached, 0, head, position);
      visit(std::span(block.keys + offset, cached.row_bytes));
      visit(std::span(block.values + offset, cached.row_bytes));
    }
  }
}

void KvCache::copy_position(int64_t position, int64_t n_tokens, std::span<std::byte> out) const {
  for_each_row(position, n_tokens, [&out](std::span<const std::byte> row) {
    std::ranges::copy(row, out.begin());
    out = out.subspan(row.size());
  });
}

void KvCache::set_position(int64_t position, int64_t n_tokens, std::span<const std::byte> in) {
  for_each_row(position, n_tokens, [&in](std::span<std::byte> row) {
    std::ranges::copy(in.first(row.size()), row.begin());
    in = in.subspan(row.size());
  });
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
