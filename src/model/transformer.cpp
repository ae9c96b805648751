#include "model/transformer.h"

#include <algorithm>
#include <utility>

#include "model/attention_block.h"
#include "model/ffn_block.h"
#include "ops/elementwise.h"
#include "ops/rope.h"

namespace flexinfer {
namespace {

Rows first_rows(const Rows& rows, int64_t n) {
  return {rows.data, n, rows.cols, rows.stride};
}

}  // namespace

Result<std::unique_ptr<Transformer>> Transformer::create(const Model& model, const BatchLimits& limits,
                                                         const Compute& compute, WeightSource& weights,
                                                         KvCache& cache) {
  FLEX_TRY(Activations activations, Activations::allocate(model, limits));
  return std::unique_ptr<Transformer>(
      new Transformer({model, compute, weights, std::move(activations)}, cache));
}

Transformer::Transformer(Workspace workspace, KvCache& cache)
    : workspace_(std::move(workspace)), cache_(cache) {
  const Model& model = workspace_.model;
  const std::span<const float> factors =
      model.rope_factors ? workspace_.weights.constant(*model.rope_factors) : std::span<const float>{};
  for (const RopeParameters& rope : model.hyperparameters.ropes)
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
    FLEX_CHECK(ffn_block(workspace_, layer.ffn));
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
  const Rows normed = first_rows(a.normed, n_wanted);
  workspace_.norm(first_rows(a.x, n_wanted), workspace_.model.output_norm, normed);
  MatmulInput input = workspace_.input(normed);
  return workspace_.project(workspace_.model.schedule.head_step(), input, a.logits);
}

}  // namespace flexinfer
