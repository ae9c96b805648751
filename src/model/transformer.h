// The forward pass.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/page_buffer.h"
#include "base/result.h"
#include "model/kv_cache.h"
#include "model/model.h"
#include "ops/compute.h"
#include "residency/weight_source.h"

namespace flexinfer {

// One token of a batch and where it stands. A prompt's chunk, a decoding step and steps of several sequences
// are all batches; within a sequence, positions rise by one and earlier ones are in the cache.
struct BatchToken {
  int32_t token = 0;
  int32_t position = 0;
  int32_t sequence = 0;
  bool wants_logits = false;
};

// The largest batch, and with it the memory, of a forward pass.
struct BatchLimits {
  int64_t n_tokens = 1;
  int64_t n_logits = 1;  // tokens of a batch that want logits
  int64_t context_length = 0;
  int n_threads = 1;
};

class MatmulInput;

// Used by one thread. Model, weights, cache and compute must outlive it. Nothing is allocated after creation.
class Transformer {
 public:
  static Result<std::unique_ptr<Transformer>> create(const Model& model, const BatchLimits& limits,
                                                     const Compute& compute, WeightSource& weights,
                                                     KvCache& cache);
  ~Transformer();

  // Bytes of activations that one with these limits allocates.
  static uint64_t activation_bytes(const Model& model, const BatchLimits& limits);

  // One sweep over the weights. Logits of the tokens that want them, in their order, vocab_size each, valid
  // until the next call; the output head is skipped where none does. `another_follows` lets reads run on into
  // the next sweep. `on_progress` (may be empty) is called with the share of the sweep that is done. Tokens,
  // positions and counts are within the limits. An error of the weights is passed on; the cache's positions
  // of this batch are undefined then.
  Result<std::span<const float>> forward(std::span<const BatchToken> batch, bool another_follows,
                                         const std::function<void(double)>& on_progress = {});

 private:
  struct Buffers;
  Transformer(const Model& model, const Compute& compute, WeightSource& weights, KvCache& cache);

  Status embed();
  Status attention_block(const LayerWeights& layer, const CacheLayer& cache);
  Status ffn_block(const LayerWeights& layer);
  Status head(std::span<const BatchToken> batch);
  Status project(size_t step, MatmulInput& input, const Rows& out);
  void add_bias_if(std::optional<size_t> constant, const Rows& rows);

  const Model& model_;
  const Compute compute_;
  WeightSource& weights_;
  KvCache& cache_;
  std::vector<double> rope_frequencies_;
  std::unique_ptr<Buffers> buffers_;
};

}  // namespace flexinfer
