// The numbers of a model, read from its metadata and checked once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ops/attention.h"
#include "ops/experts.h"
#include "ops/rope.h"

namespace flexinfer {

enum class Activation : uint8_t { kSilu, kGelu, kClampedSwiglu };

// What layers of one model may differ in.
struct LayerFacts {
  int64_t window = 0;  // positions that a token sees, its own among them; 0: all
  size_t rope = 0;     // which of Hyperparameters::ropes turns its heads
};

// Facts about a model, not its name: the forward pass asks for nothing else.
struct Hyperparameters {
  int64_t hidden_dim = 0;
  int64_t ffn_dim = 0;  // of one expert, where there are experts
  Routing routing;      // where there are
  int64_t vocab_size = 0;
  int64_t context_length = 0;           // what the model was trained for
  int64_t original_context_length = 0;  // and before its rope was stretched
  float norm_epsilon = 0;
  AttentionShape attention;  // its window is each layer's own
  // Queries are multiplied by 1 + query_growth * ln(1 + floor(position / original_context_length)).
  float query_growth = 0;
  Activation activation = Activation::kSilu;
  float embedding_scale = 1;
  float logit_soft_cap = 0;  // logits become cap * tanh(logit / cap); 0: they stay
  std::vector<RopeParameters> ropes;
  std::vector<LayerFacts> layers;

  int64_t n_layers() const { return static_cast<int64_t>(layers.size()); }
  int64_t q_dim() const { return attention.n_heads * attention.head_dim; }
  int64_t kv_dim() const { return attention.n_kv_heads * attention.head_dim; }
};

}  // namespace flexinfer
