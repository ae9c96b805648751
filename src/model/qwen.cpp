#include <utility>

#include "model/families.h"
#include "model/transformer_family.h"

namespace flexinfer {
namespace {

LayerWeights declare_qwen2_layer(LayerTensors& tensors, const Hyperparameters& hp) {
  LayerWeights layer;
  layer.attention = declare_attention(tensors, hp);
  layer.ffn = declare_ffn(tensors, hp);
  return layer;
}

LayerWeights declare_qwen3_layer(LayerTensors& tensors, const Hyperparameters& hp) {
  LayerWeights layer;
  layer.attention = declare_attention(tensors, hp);
  declare_head_norms(tensors, hp, layer.attention);
  layer.ffn = declare_ffn(tensors, hp);
  return layer;
}

LayerWeights declare_qwen3moe_layer(LayerTensors& tensors, const Hyperparameters& hp) {
  LayerWeights layer;
  layer.attention = declare_attention(tensors, hp);
  declare_head_norms(tensors, hp, layer.attention);
  layer.experts = declare_experts(tensors, hp);
  return layer;
}

}  // namespace

Result<Model> read_qwen2(const GgufFile& file, MetadataReader& metadata) {
  FLEX_TRY(Hyperparameters hp, read_hyperparameters(metadata, RopePairs::kHalves));
  return declare_model(file, std::move(hp), declare_qwen2_layer);
}

Result<Model> read_qwen3(const GgufFile& file, MetadataReader& metadata) {
  FLEX_TRY(Hyperparameters hp, read_hyperparameters(metadata, RopePairs::kHalves));
  return declare_model(file, std::move(hp), declare_qwen3_layer);
}

Result<Model> read_qwen3moe(const GgufFile& file, MetadataReader& metadata) {
  FLEX_TRY(Hyperparameters hp, read_hyperparameters(metadata, RopePairs::kHalves));
  FLEX_CHECK(require_experts(metadata, hp));
  return declare_model(file, std::move(hp), declare_qwen3moe_layer);
}

}  // namespace flexinfer
