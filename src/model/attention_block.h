// The attention half of a layer.
#pragma once

#include "base/result.h"
#include "model/workspace.h"
#include "ops/attention.h"

namespace flexinfer {

// x += attention of norm(x), for the tokens of the batch; their keys and values go to the layer's cache.
Status attention_block(Workspace& w, const AttentionWeights& weights, const LayerFacts& facts,
                       const CacheLayer& cache);

}  // namespace flexinfer
