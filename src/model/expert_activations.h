// What the routing of a batch needs beside the activations of a feed-forward.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ops/experts.h"

namespace flexinfer {

struct ExpertActivations {
  Rows scores;  // (n_tokens, n_experts)
  Rows routed;  // (n_tokens, hidden_dim): the input of one expert's tokens, then its output

  // Nothing is allocated after this.
  void reserve(const Routing& routing, int64_t n_tokens);
  void set_batch(int64_t n_tokens);

  ExpertChoices choices() { return {chosen_, weights_}; }
  // Lists the experts that any token of the batch has chosen.
  void collect_used();
  std::span<const int32_t> used() const { return used_; }  // ascending
  // Lists the tokens that have chosen an expert; how many they are.
  int64_t gather(int32_t expert);
  std::span<const int32_t> tokens() const { return tokens_; }  // of that expert, ascending
  std::span<const float> token_weights() const { return token_weights_; }

 private:
  Routing routing_;
  std::vector<int32_t> chosen_;  // n_tokens * n_used
  std::vector<float> weights_;
  std::vector<int32_t> used_;
  std::vector<int32_t> tokens_;
  std::vector<float> token_weights_;
};

}  // namespace flexinfer
