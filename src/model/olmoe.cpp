#include <utility>

#include "model/families.h"
#include "model/transformer_family.h"

namespace flexinfer {
namespace {

LayerWeights declare_layer(LayerTensors& tensors, const Hyperparameters& hp) {
  LayerWeights layer;
  layer.attention = declare_attention(tensors, hp);
  layer.attention.q_norm = tensors.vector("attn_q_norm.weight", hp.q_dim());  // all heads are normed as one
  layer.attention.k_norm = tensors.vector("attn_k_norm.weight", hp.kv_dim());
  layer.experts = declare_experts(tensors, hp);
  return layer;
}

}  // namespace

Result<Model> read_olmoe(const GgufFile& file, MetadataReader& metadata) {
  FLEX_TRY(Hyperparameters hp, read_hyperparameters(metadata, RopePairs::kHalves));
  FLEX_CHECK(require_experts(metadata, hp));
  hp.routing.normalised = false;
  return declare_model(file, std::move(hp), declare_layer);
}

}  // namespace flexinfer
