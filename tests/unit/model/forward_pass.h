// A forward pass of a small model, with everything that it needs.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "model/kv_cache.h"
#include "model/transformer.h"
#include "unit/model/memory_source.h"
#include "unit/model/model_file.h"

namespace flexinfer {

struct PassOptions {
  int64_t rows_at_once = 1000;
  int n_threads = 1;
  BatchLimits limits = {16, 16, 32, 1};
  int64_t n_sequences = 1;
};

// Everything that a forward pass needs.
class ForwardPass {
 public:
  ForwardPass(const Model& model, const std::string& path, const PassOptions& options)
      : pool_(options.n_threads), weights_(model, path, options.rows_at_once) {
    auto shape = kv_cache_shape(model.hyperparameters, CacheType::kF32,
                                std::max<int64_t>(32, options.limits.context_length));
    shape->n_sequences = options.n_sequences;
    shape->n_batch_tokens = options.limits.n_tokens;
    cache_ = std::move(*KvCache::allocate(*shape));
    BatchLimits limits = options.limits;
    limits.n_threads = options.n_threads;
    const Compute compute{**choose_kernels(), pool_};
    transformer_ = std::move(*Transformer::create(model, limits, compute, weights_, cache_));
  }

  Result<std::span<const float>> try_forward(std::span<const BatchToken> batch,
                                             bool another_follows = false) {
    return transformer_->forward(batch, another_follows);
  }
  std::vector<float> forward(std::span<const BatchToken> batch) {
    const auto logits = try_forward(batch);
    EXPECT_TRUE(logits) << error_of(logits).message;
    return logits ? std::vector<float>(logits->begin(), logits->end()) : std::vector<float>{};
  }
  MemorySource& weights() { return weights_; }
  Transformer& transformer() { return *transformer_; }

 private:
  ThreadPool pool_;
  MemorySource weights_;
  KvCache cache_;
  std::unique_ptr<Transformer> transformer_;
};

inline std::vector<BatchToken> prompt(int32_t n, int32_t sequence = 0) {
  std::vector<BatchToken> tokens;
  for (int32_t t = 0; t < n; ++t)
    tokens.push_back({(t * 7 + 3 + 5 * sequence) % 40, t, sequence, true});
  return tokens;
}

inline bool same_bits(std::span<const float> a, std::span<const float> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](float x, float y) {
    return std::bit_cast<uint32_t>(x) == std::bit_cast<uint32_t>(y);
  });
}

}  // namespace flexinfer
