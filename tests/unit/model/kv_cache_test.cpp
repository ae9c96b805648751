#include "model/kv_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <vector>

namespace flexinfer {
namespace {

Hyperparameters numbers(int64_t head_dim = 64) {
  Hyperparameters hp;
  hp.layers.resize(3);
  hp.attention = {.n_heads = 4, .n_kv_heads = 2, .head_dim = head_dim};
  return hp;
}

TEST(KvCache, TakesOtherMemoryThanItsElements) {
  // 3 layers, keys and values, 2 heads of 64 elements, 10 positions.
  const std::pair<CacheType, uint64_t> cases[] = {
      {CacheType::kF32, 64 * 4}, {CacheType::kF16, 64 * 2}, {CacheType::kQ8_0, 2 * 34}};
  for (const auto& [type, head_bytes] : cases) {
    const auto shape = kv_cache_shape(numbers(), type, 10);
    ASSERT_TRUE(shape);
    EXPECT_EQ(shape->bytes(), 10 * 3 * 2 * 2 * head_bytes);
  }
}

TEST(KvCache, CutsABlockOfQ8InTwo) {
  for (int64_t head_dim : {16, 80, 100}) {
    const auto shape = kv_cache_shape(numbers(head_dim), CacheType::kQ8_0, 10);
    ASSERT_FALSE(shape) << head_dim;
    EXPECT_EQ(shape.error().code, ErrorCode::kUsage);
    EXPECT_NE(shape.error().message.find(std::to_string(head_dim)), std::string::npos)
        << shape.error().message;
    EXPECT_TRUE(kv_cache_shape(numbers(head_dim), CacheType::kF16, 10));
  }
}

TEST(KvCache, SizeOfAnAbsurdContextOverflows) {
  for (int64_t context_length :
       {std::numeric_limits<int64_t>::max(), int64_t{1} << 40, int64_t{0}, int64_t{-1}}) {
    const auto shape = kv_cache_shape(numbers(), CacheType::kF16, context_length);
    ASSERT_FALSE(shape) << context_length;
    EXPECT_EQ(shape.error().code, ErrorCode::kUsage);
  }
  Hyperparameters huge = numbers(1 << 20);
  huge.layers.resize(1024);
  huge.attention.n_kv_heads = 4096;
  const auto shape = kv_cache_shape(huge, CacheType::kF32, 1 << 28);
  ASSERT_FALSE(shape);
  EXPECT_EQ(shape.error().code, ErrorCode::kUsage);
}

// Every row of the cache, as the operations address it: a layer that keeps all of more than one block, one
// that keeps a window, one whose window is longer than the context.
TEST(KvCache, LayersHeadsPositionsOrSequencesOverlap) {
  for (CacheType type : {CacheType::kF32, CacheType::kF16, CacheType::kQ8_0}) {
    auto shape = kv_cache_shape(numbers(), type, 600);
    ASSERT_TRUE(shape);
    shape->n_sequences = 2;
    shape->n_batch_tokens = 7;
    shape->windows = {0, 100, 1000};
    const auto cache = KvCache::allocate(*shape);
    ASSERT_TRUE(cache);
    const size_t row_bytes = cache_row_bytes(type, 64);
    std::vector<const std::byte*> rows;
    for (size_t index = 0; index < 3; ++index) {
      const CacheLayer layer = cache->layer(index);
      EXPECT_EQ(layer.capacity, index == 1 ? 256 : 600);
      for (int32_t sequence = 0; sequence < 2; ++sequence) {
        for (int64_t head = 0; head < 2; ++head) {
          for (int64_t p = 0; p < layer.capacity; ++p) {
            const CacheBlock block = cache_block(layer, sequence, head, p);
            const size_t offset = static_cast<size_t>(p % kAttentionBlock) * row_bytes;
            rows.push_back(block.keys + offset);
            rows.push_back(block.values + offset);
          }
        }
      }
    }
    std::sort(rows.begin(), rows.end());
    for (size_t i = 1; i < rows.size(); ++i)
      ASSERT_GE(rows[i], rows[i - 1] + row_bytes);
    EXPECT_EQ(rows.back() + row_bytes - rows.front(), static_cast<std::ptrdiff_t>(shape->bytes()));
  }
}

TEST(KvCache, WindowIsOverwrittenByTheBatchThatStillSeesIt) {
  for (int64_t window : {1, 100, 128, 256, 4096}) {
    for (int64_t n_tokens : {1, 2, 157, 512}) {
      const int64_t capacity = cache_capacity(window, n_tokens, 100000);
      EXPECT_GE(capacity, window + n_tokens - 1);
      EXPECT_LT(capacity, window + n_tokens - 1 + kAttentionBlock);
      EXPECT_EQ(capacity % kAttentionBlock, 0);
    }
  }
  EXPECT_EQ(cache_capacity(128, 512, 130), 130);  // no position comes round again
  EXPECT_EQ(cache_capacity(0, 512, 1001), 1001);
}

}  // namespace
}  // namespace flexinfer
