#include <utility>

#include "model/families.h"
#include "model/transformer_family.h"

namespace flexinfer {
namespace {

LayerWeights declare_layer(LayerTensors& tensors, const Hyperparameters& hp) {
  LayerWeights layer;
  layer.attention = declare_attention(tensors, hp);
  layer.attention.sinks = tensors.vector("attn_sinks.weight", hp.attention.n_heads);
  layer.experts = declare_experts(tensors, hp, "post_attention_norm.weight");
  return layer;
}

}  // namespace

Result<Model> read_gpt_oss(const GgufFile& file, MetadataReader& metadata) {
  FLEX_TRY(Hyperparameters hp, read_hyperparameters(metadata, RopePairs::kHalves));
  FLEX_CHECK(require_experts(metadata, hp));
  hp.activation = Activation::kClampedSwiglu;
  set_windows(hp, metadata.integer("attention.sliding_window", 1, kMostContext), 2);
  FLEX_CHECK(metadata.status());
  return declare_model(file, std::move(hp), declare_layer);
}

}  // namespace flexinfer
