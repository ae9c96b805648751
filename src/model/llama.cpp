#include "model/families.h"
#include "model/transformer_family.h"

namespace flexinfer {
namespace {

LayerWeights declare_layer(LayerTensors& tensors, const Hyperparameters& hp) {
  LayerWeights layer;
  layer.attention = declare_attention(tensors, hp);
  if (hp.routing.n_experts > 0) {
    layer.experts = declare_experts(tensors, hp);
  } else {
    layer.ffn = declare_ffn(tensors, hp);
  }
  tensors.ignore("attn_rot_embd");  // precomputed frequencies in the first GGUF files
  tensors.ignore("attn_rot_embd.weight");
  return layer;
}

}  // namespace

Result<Model> read_llama(const GgufFile& file, MetadataReader& metadata) {
  FLEX_TRY(Hyperparameters hp, read_hyperparameters(metadata, RopePairs::kAdjacent));
  return declare_model(file, std::move(hp), declare_layer);
}

Result<Model> read_mistral3(const GgufFile& file, MetadataReader& metadata) {
  FLEX_TRY(Hyperparameters hp, read_hyperparameters(metadata, RopePairs::kAdjacent));
  hp.query_growth = static_cast<float>(metadata.not_negative_or("attention.temperature_scale", 0.0));
  FLEX_CHECK(metadata.status());
  return declare_model(file, std::move(hp), declare_layer);
}

}  // namespace flexinfer
