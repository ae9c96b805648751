// A mixture's routing: which experts a token goes to, and its way there and back.
#pragma once

#include <cstdint>
#include <span>

#include "ops/compute.h"

namespace flexinfer {

// How a router's scores become choices (Shazeer et al. 2017): the n_used best of a token's scores, with the
// softmax of all scores as their weights; `normalised`: divided by their sum, which is the softmax of the
// chosen scores alone (Mixtral, Qwen 3, gpt-oss; not OLMoE).
struct Routing {
  int64_t n_experts = 0;
  int64_t n_used = 0;  // from 1 to n_experts
  bool normalised = true;
};

// The choices of all tokens, n_used each in ascending order of the expert.
struct ExpertChoices {
  std::span<int32_t> experts;
  std::span<float> weights;
};

// Fills choices from scores (n_tokens, n_experts), which are overwritten. Of equal scores the one of the
// lower expert counts as better. A token's choice depends on its own scores alone.
void choose_experts(const Compute& compute, const Routing& routing, const Rows& scores,
                    const ExpertChoices& choices);

// out.row(i) = rows.row(tokens[i])
void gather_rows(const Compute& compute, const Rows& rows, std::span<const int32_t> tokens, const Rows& out);

// rows.row(tokens[i]) += weights[i] * addend.row(i). A token is at most once among them.
void add_weighted_rows(const Compute& compute, const Rows& addend, std::span<const int32_t> tokens,
                       std::span<const float> weights, const Rows& rows);

}  // namespace flexinfer
