#include "model/transformer.h"

#include <algorithm>
#include <utility>

#include "model/attention_block.h"
#include "model/expert_block.h"
#include "model/ffn_block.h"
#include "ops/elementwise.h"
#include "ops/rope.h"

namespace flexinfer {
Result<std::unique_ptr<Transformer>> Transformer::create(const Model& model, const BatchLimits& limits,
                                                         const Compute& compute, WeightSource& weights,
                                                         KvCache& cache) {
  FLEX_TRY(Activations activations, Activations::allocate(model, limits));
  return std::unique_ptr<Transformer>(
      new Transformer({model, compute, weights, std::move(activations)}, cache, limits.context_length));
}

Transformer::Transformer(Workspace workspace, KvCache& cache, int64_t context_length)
    : workspace_(std::move(workspace)), cache_(cache) {
  const Model& model = workspace_.model;
  const Hyperparameters& hp = model.hyperparameters;
  const bool is_long = model.long_rope_factors && context_length > hp.original_context_length;
  const std::optional<size_t> vector = is_long ? model.long_rope_factors : model.rope_factors;
  const auto factors = vector ? workspace_.weights.constant(*vector) : std::span<const float>{};
  for (const RopeParameters& rope : hp.ropes)
    frequencies_.push_back(rope_frequencies(rope, factors));
}

Result<std::span<const float>> Transformer::forward(std::span<const BatchToken> batch, bool another_follows,
                                                    const std::function<void(double)>& on_progress) {
  const Model& model = workspace_.model;
  const size_t n_layers = model.layers.size();
  const bool with_head =
      std::any_of(batch.begin(), batch.end(), [](const BatchToken& t) { return t.wants_logits; });
  workspace_.activations.set_batch(batch);
  workspace_.weights.begin_sweep({with_head, another_follows});
  FLEX_CHECK(embed());
  place();
  for (size_t i = 0; i < n_layers; ++i) {
    const LayerWeights& layer = model.layers[i];
    const LayerFacts& facts = model.hyperparameters.layers[i];
    FLEX_CHECK(attention_block(workspace_, layer.attention, facts, cache_.layer(i)));
    FLEX_CHECK(layer.experts ? expert_block(workspace_, *layer.experts) : ffn_block(workspace_, layer.ffn));
    if (on_progress) on_progress(static_cast<double>(i + 1) / static_cast<double>(n_layers + 1));
  }
  if (!with_head) return std::span<const float>{};
  FLEX_CHECK(head(batch));
  if (on_progress) on_progress(1.0);
  const Rows& logits = workspace_.activations.logits;
  return std::span<const float>(logits.data, static_cast<size_t>(logits.n_rows * logits.stride));
}

Status Transformer::embed() {
  Activations& a = workspace_.activations;
  const WeightStep& embedding = workspace_.model.schedule.embedding;
  FLEX_CHECK(workspace_.weights.read_embedding_rows(a.tokens, a.embedded));
  dequantize_rows(workspace_.compute, embedding.type, a.embedded, embedding.row_bytes, a.x);
  const float scale = workspace_.model.hyperparameters.embedding_scale;
  if (scale != 1.0F) scale_rows(workspace_.compute, scale, a.x);
  return {};
}

void Transformer::place() {
  Activations& a = workspace_.activations;
  for (size_t i = 0; i < frequencies_.size(); ++i) {
    rope_angles(workspace_.compute, frequencies_[i], workspace_.model.hyperparameters.ropes[i].magnitude,
                a.positions, a.angles[i].cosines, a.angles[i].sines);
  }
}

// Only the tokens that want logits go through the final norm and the head.
Status Transformer::head(std::span<const BatchToken> batch) {
  Activations& a = workspace_.activations;
  int64_t n_wanted = 0;
  for (size_t t = 0; t < batch.size(); ++t) {
    if (!batch[t].wants_logits) continue;
    const float* row = a.x.row(static_cast<int64_t>(t));
    std::copy(row, row + a.x.cols, a.x.row(n_wanted++));
  }
  a.logits.n_rows = n_wanted;
  const Rows normed = a.normed.first(n_wanted);
  const size_t head = workspace_.model.schedule.head_step();
  MatmulInput input =
      workspace_.normed_input(a.x.first(n_wanted), workspace_.model.output_norm, normed, head);
  FLEX_CHECK(workspace_.project(input, {{head, a.logits}}));
  const float cap = workspace_.model.hyperparameters.logit_soft_cap;
  if (cap > 0) soft_cap_rows(workspace_.compute, cap, a.logits);
  return {};
}

}  // namespace flexinfer
