// The forward pass.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "model/activations.h"
#include "model/kv_cache.h"
#include "model/model.h"
#include "model/workspace.h"
#include "ops/compute.h"
#include "residency/weight_source.h"

namespace flexinfer {

// Used by one thread. Model, weights, cache and compute must outlive it. Nothing is allocated after creation.
class Transformer {
 public:
  static Result<std::unique_ptr<Transformer>> create(const Model& model, const BatchLimits& limits,
                                                     const Compute& compute, WeightSource& weights,
                                                     KvCache& cache);

  // Bytes of activations that one with these limits allocates.
  static uint64_t activation_bytes(const Model& model, const BatchLimits& limits) {
    return Activations::bytes(model, limits);
  }

  // One sweep over the weights. Logits of the tokens that want them, in their order, vocab_size each, valid
  // until the next call; the output head is skipped where none does. `another_follows` lets reads run on into
  // the next sweep. `on_progress` (may be empty) is called with the share of the sweep that is done. Tokens,
  // positions and counts are within the limits. An error of the weights is passed on; the cache's positions
  // of this batch are undefined then.
  Result<std::span<const float>> forward(std::span<const BatchToken> batch, bool another_follows,
                                         const std::function<void(double)>& on_progress = {});

 private:
  Transformer(Workspace workspace, KvCache& cache, int64_t context_length);

  Status embed();
  void place();
  Status head(std::span<const BatchToken> batch);

  Workspace workspace_;
  KvCache& cache_;
  std::vector<std::vector<double>> frequencies_;  // parallel to Hyperparameters::ropes
};

}  // namespace flexinfer
