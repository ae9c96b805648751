#include "model/expert_activations.h"

#include <algorithm>

namespace flexinfer {

void ExpertActivations::reserve(const Routing& routing, int64_t n_tokens) {
  routing_ = routing;
  chosen_.reserve(static_cast<size_t>(n_tokens * routing.n_used));
  weights_.reserve(chosen_.capacity());
  used_.reserve(static_cast<size_t>(n_tokens * routing.n_used));
  tokens_.reserve(static_cast<size_t>(n_tokens));
  token_weights_.reserve(static_cast<size_t>(n_tokens));
}

void ExpertActivations::set_batch(int64_t n_tokens) {
  scores.n_rows = n_tokens;
  chosen_.resize(static_cast<size_t>(n_tokens * routing_.n_used));
  weights_.resize(chosen_.size());
}

void ExpertActivations::collect_used() {
  used_.assign(chosen_.begin(), chosen_.end());
  std::sort(used_.begin(), used_.end());
  used_.erase(std::unique(used_.begin(), used_.end()), used_.end());
}

int64_t ExpertActivations::gather(int32_t expert) {
  tokens_.clear();
  token_weights_.clear();
  for (size_t i = 0; i < chosen_.size(); ++i) {
    if (chosen_[i] != expert) continue;
    tokens_.push_back(static_cast<int32_t>(i) / static_cast<int32_t>(routing_.n_used));
    token_weights_.push_back(weights_[i]);
  }
  return static_cast<int64_t>(tokens_.size());
}

}  // namespace flexinfer
