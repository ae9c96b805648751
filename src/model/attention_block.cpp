#include "model/attention_block.h"

#include <cmath>

#include "ops/elementwise.h"
#include "ops/rope.h"

namespace flexinfer {
namespace {

// The heads of the batch.
Status project_heads(Workspace& w, const AttentionWeights& weights) {
  Activations& a = w.activations;
  MatmulInput input = w.normed_input(a.x, weights.norm, a.normed, weights.q);
  FLEX_CHECK(w.project(input, {{weights.q, a.q}, {weights.k, a.k}, {weights.v, a.v}}));
  w.add_bias_if(weights.q_bias, a.q);
  w.add_bias_if(weights.k_bias, a.k);
  w.add_bias_if(weights.v_bias, a.v);
  w.norm_heads_if(weights.q_norm, a.q);
  w.norm_heads_if(weights.k_norm, a.k);
  return {};
}

void turn_heads(Workspace& w, size_t rope) {
  Activations& a = w.activations;
  const Hyperparameters& hp = w.model.hyperparameters;
  const RopeAngles& angles = a.angles[rope];
  for (const Rows& heads : {a.q, a.k}) {
    apply_rope(w.compute, hp.ropes[rope].pairs, angles.cosines, angles.sines, angles.cosines.cols,
               hp.attention.head_dim, heads);
  }
}

// The longer a context, the sharper attention has to be.
void grow_queries(Workspace& w) {
  const Hyperparameters& hp = w.model.hyperparameters;
  const Rows& q = w.activations.q;
  if (hp.query_growth == 0) return;
  for (int64_t t = 0; t < q.n_rows; ++t) {
    const int64_t lengths = w.activations.positions[static_cast<size_t>(t)] / hp.original_context_length;
    const float growth = 1.0F + hp.query_growth * std::log1p(static_cast<float>(lengths));
    scale_rows(w.compute, growth, {q.row(t), 1, q.cols, q.stride});
  }
}

}  // namespace

Status attention_block(Workspace& w, const AttentionWeights& weights, const LayerFacts& facts,
                       const CacheLayer& cache) {
  Activations& a = w.activations;
  AttentionShape shape = w.model.hyperparameters.attention;
  shape.window = facts.window;
  FLEX_CHECK(project_heads(w, weights));
  turn_heads(w, facts.rope);
  grow_queries(w);
  const TokenPlaces places{a.positions, a.sequences};
  store_cache(w.compute, shape, places, a.k, a.v, cache);
  const auto sinks = weights.sinks ? w.weights.constant(*weights.sinks) : std::span<const float>{};
  attend(w.compute, shape, sinks, places, a.q, cache, a.attention_scratch, a.attended);
  MatmulInput attended = w.input(a.attended);
  FLEX_CHECK(w.project(attended, {{weights.output, a.normed}}));
  w.add_bias_if(weights.output_bias, a.normed);
  w.norm_if(weights.post_norm, a.normed);
  add_rows(w.compute, a.normed, a.x);
  return {};
}

}  // namespace flexinfer
