// Keys and values of the tokens seen so far.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/page_buffer.h"
#include "base/result.h"
#include "model/hyperparameters.h"
#include "ops/attention.h"

namespace flexinfer {

inline constexpr int64_t kMostPositions = int64_t{1} << 28;  // of a context; far above any model

struct KvCacheShape {
  std::vector<int64_t> windows;  // of each layer: the positions it sees, 0 for all
  int64_t n_sequences = 1;
  int64_t n_kv_heads = 0;
  int64_t head_dim = 0;
  int64_t context_length = 0;  // positions of each sequence
  int64_t n_batch_tokens = 1;  // the largest batch: a layer with a window keeps as many positions more
  CacheType type = CacheType::kF16;

  int64_t capacity(size_t layer) const;  // positions that a layer keeps of each sequence
  uint64_t layer_bytes(size_t layer) const;
  uint64_t bytes() const;
  // The least length to which a sequence of n_tokens can be cut back and go on: the next token still finds
  // what it sees in every layer. 0 where nothing is lost; an empty sequence can always begin anew.
  int64_t earliest_resume(int64_t n_tokens) const;
  // The first position that the tokens after n_tokens, or the last of these once more, see in a layer.
  int64_t first_needed(size_t layer, int64_t n_tokens) const;
  // Whether a layer does not need all of n_tokens.
  bool is_windowed_at(int64_t n_tokens) const;
  uint64_t position_bytes() const;  // of one layer
  // Of one position, or of all, what a sequence of n_tokens still needs.
  uint64_t saved_bytes(int64_t position, int64_t n_tokens) const;
  uint64_t saved_bytes(int64_t n_tokens) const;
};

// kUsage where the element type cannot hold heads of this size, and for a context that no machine could hold:
// sizes that are computed from the shape do not overflow.
Result<KvCacheShape> kv_cache_shape(const Hyperparameters& hp, CacheType type, int64_t context_length);

// Owns the memory, which becomes resident as positions are written. Thread-compatible.
class KvCache {
 public:
  static Result<KvCache> allocate(const KvCacheShape& shape);
  CacheLayer layer(size_t index) const;

  // What the first sequence, of n_tokens, holds of a position and still needs: for each layer that does, head
  // by head the key, then the value; shape().saved_bytes(position, n_tokens) in all.
  void copy_position(int64_t position, int64_t n_tokens, std::span<std::byte> out) const;
  void set_position(int64_t position, int64_t n_tokens, std::span<const std::byte> in);

  const KvCacheShape& shape() const { return shape_; }

 private:
  template <class Visit>
  void for_each_row(int64_t position, int64_t n_tokens, Visit visit) const;

  KvCacheShape shape_;
  std::vector<uint64_t> offsets_;  // of each layer in memory_
  PageBuffer memory_;
};

}  // namespace flexinfer
