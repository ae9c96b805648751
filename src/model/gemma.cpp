#include <cmath>
#include <utility>

#include "model/families.h"
#include "model/transformer_family.h"

namespace flexinfer {
namespace {

constexpr int64_t kGemma2Layers27B = 46;
constexpr int64_t kGemma3Layers27B = 62;

LayerWeights declare_gemma2_layer(LayerTensors& tensors, const Hyperparameters& hp) {
  LayerWeights layer;
  layer.attention = declare_attention(tensors, hp);
  layer.attention.post_norm = tensors.vector("post_attention_norm.weight", hp.hidden_dim);
  layer.ffn = declare_ffn(tensors, hp);
  layer.ffn.post_norm = tensors.vector("post_ffw_norm.weight", hp.hidden_dim);
  return layer;
}

LayerWeights declare_gemma3_layer(LayerTensors& tensors, const Hyperparameters& hp) {
  LayerWeights layer = declare_gemma2_layer(tensors, hp);
  declare_head_norms(tensors, hp, layer.attention);
  return layer;
}

// What both have in common. The largest model of each scales scores by hidden_dim / n_heads in place of
// head_dim; no key says so, its number of layers tells it apart.
Result<Hyperparameters> read_gemma(MetadataReader& metadata, int64_t n_layers_27b) {
  FLEX_TRY(Hyperparameters hp, read_hyperparameters(metadata, RopePairs::kHalves));
  hp.activation = Activation::kGelu;
  hp.embedding_scale = std::sqrt(static_cast<float>(hp.hidden_dim));
  if (hp.n_layers() == n_layers_27b) {
    hp.attention.scale = 1.0F / std::sqrt(static_cast<float>(hp.hidden_dim / hp.attention.n_heads));
  }
  return hp;
}

}  // namespace

Result<Model> read_gemma2(const GgufFile& file, MetadataReader& metadata) {
  FLEX_TRY(Hyperparameters hp, read_gemma(metadata, kGemma2Layers27B));
  hp.attention.soft_cap = static_cast<float>(metadata.not_negative_or("attn_logit_softcapping", 50.0));
  hp.logit_soft_cap = static_cast<float>(metadata.not_negative_or("final_logit_softcapping", 30.0));
  set_windows(hp, metadata.integer_or("attention.sliding_window", 4096, 0, kMostContext), 2);
  FLEX_CHECK(metadata.status());
  return declare_model(file, std::move(hp), declare_gemma2_layer);
}

// Layers with a window have a rope that is not stretched.
Result<Model> read_gemma3(const GgufFile& file, MetadataReader& metadata) {
  FLEX_TRY(Hyperparameters hp, read_gemma(metadata, kGemma3Layers27B));
  hp.logit_soft_cap = static_cast<float>(metadata.not_negative_or("final_logit_softcapping", 0.0));
  const int64_t period = metadata.integer_or("attention.sliding_window_pattern", 6, 1, kMostLayers);
  set_windows(hp, metadata.integer_or("attention.sliding_window", 0, 0, kMostContext), period);
  hp.ropes.push_back({.n_dims = hp.ropes.front().n_dims,
                      .base = metadata.positive_or("rope.freq_base_swa", 10000.0),
                      .pairs = RopePairs::kHalves});
  FLEX_CHECK(metadata.status());
  for (LayerFacts& layer : hp.layers)
    layer.rope = layer.window > 0 ? 1 : 0;
  return declare_model(file, std::move(hp), declare_gemma3_layer);
}

}  // namespace flexinfer
