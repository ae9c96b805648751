#include "model/expert_block.h"

#include <algorithm>

#include "model/ffn_block.h"
#include "ops/elementwise.h"

namespace flexinfer {
namespace {

// Scores and choices of every token for the normed input, and the experts that any has chosen.
Status route(Workspace& w, const ExpertWeights& weights) {
  Activations& a = w.activations;
  MatmulInput input = w.normed_input(a.x, weights.norm, a.normed, weights.router);
  FLEX_CHECK(w.project(input, {{weights.router, a.experts.scores}}));
  w.add_bias_if(weights.router_bias, a.experts.scores);
  choose_experts(w.compute, w.model.hyperparameters.routing, a.experts.scores, a.experts.choices());
  a.experts.collect_used();
  return w.weights.choose_experts(weights.block, a.experts.used());
}

// The part of a vector over all experts that is this one's.
void add_expert_bias(Workspace& w, std::optional<size_t> vector, int32_t expert, const Rows& rows) {
  if (!vector) return;
  const auto size = static_cast<size_t>(rows.cols);
  add_bias(w.compute, w.weights.constant(*vector).subspan(static_cast<size_t>(expert) * size, size), rows);
}

Status run_expert(Workspace& w, const ExpertWeights& weights, int32_t expert) {
  Activations& a = w.activations;
  const size_t step = w.model.schedule.expert_blocks[weights.block].step_of(expert);
  const int64_t n = a.experts.gather(expert);
  const Rows routed = a.experts.routed.first(n);
  const Rows gate = a.gate.first(n);
  const Rows up = a.up.first(n);
  gather_rows(w.compute, a.normed, a.experts.tokens(), routed);
  MatmulInput input = w.input(routed);
  FLEX_CHECK(w.project(input, {{step, gate}, {step + 1, up}}));
  add_expert_bias(w, weights.gate_bias, expert, gate);
  add_expert_bias(w, weights.up_bias, expert, up);
  MatmulInput activated = activated_input(w, gate, up, step + 2);
  FLEX_CHECK(w.project(activated, {{step + 2, routed}}));
  add_expert_bias(w, weights.down_bias, expert, routed);
  add_weighted_rows(w.compute, routed, a.experts.tokens(), a.experts.token_weights(), a.x);
  return {};
}

}  // namespace

Status expert_block(Workspace& w, const ExpertWeights& weights) {
  Activations& a = w.activations;
  FLEX_CHECK(route(w, weights));
  for (const int32_t expert : a.experts.used())
    FLEX_CHECK(run_expert(w, weights, expert));
  return {};
}

}  // namespace flexinfer
