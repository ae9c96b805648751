// The numbers of a model, read from its metadata and checked once.
#pragma once

#include <cstdint>
#include <string>

#include "ops/attention.h"
#include "ops/rope.h"

namespace flexinfer {

struct Hyperparameters {
  std::string architecture;
  int64_t n_layers = 0;
  int64_t hidden_dim = 0;
  int64_t ffn_dim = 0;
  int64_t vocab_size = 0;
  int64_t context_length = 0;  // what the model was trained for
  AttentionShape attention;
  RopeParameters rope;
  float norm_epsilon = 0;

  int64_t q_dim() const { return attention.n_heads * attention.head_dim; }
  int64_t kv_dim() const { return attention.n_kv_heads * attention.head_dim; }
};

}  // namespace flexinfer
