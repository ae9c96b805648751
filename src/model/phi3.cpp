#include <utility>

#include "model/families.h"
#include "model/transformer_family.h"

namespace flexinfer {
namespace {

AttentionWeights declare_fused_attention(LayerTensors& tensors, const Hyperparameters& hp) {
  AttentionWeights w;
  w.norm = tensors.vector("attn_norm.weight", hp.hidden_dim);
  const std::vector<size_t> qkv = tensors.matrices(
      "attn_qkv.weight",
      {{Role::kAttentionQ, hp.q_dim()}, {Role::kAttentionK, hp.kv_dim()}, {Role::kAttentionV, hp.kv_dim()}},
      hp.hidden_dim);
  w.q = qkv[0];
  w.k = qkv[1];
  w.v = qkv[2];
  w.output = tensors.matrix(Role::kAttentionOutput, "attn_output.weight", hp.hidden_dim, hp.q_dim());
  return w;
}

FfnWeights declare_fused_ffn(LayerTensors& tensors, const Hyperparameters& hp) {
  FfnWeights w;
  w.norm = tensors.vector("ffn_norm.weight", hp.hidden_dim);
  const std::vector<size_t> gate_up = tensors.matrices(
      "ffn_up.weight", {{Role::kFfnGate, hp.ffn_dim}, {Role::kFfnUp, hp.ffn_dim}}, hp.hidden_dim);
  w.gate = gate_up[0];
  w.up = gate_up[1];
  w.down = tensors.matrix(Role::kFfnDown, "ffn_down.weight", hp.hidden_dim, hp.ffn_dim);
  return w;
}

LayerWeights declare_layer(LayerTensors& tensors, const Hyperparameters& hp) {
  LayerWeights layer;
  layer.attention = declare_fused_attention(tensors, hp);
  layer.ffn = declare_fused_ffn(tensors, hp);
  return layer;
}

}  // namespace

Result<Model> read_phi3(const GgufFile& file, MetadataReader& metadata) {
  FLEX_TRY(Hyperparameters hp, read_hyperparameters(metadata, RopePairs::kHalves));
  const int64_t window = metadata.integer_or("attention.sliding_window", 0, 0, kMostContext);
  FLEX_CHECK(metadata.status());
  for (LayerFacts& layer : hp.layers)
    layer.window = window;
  return declare_model(file, std::move(hp), declare_layer);
}

}  // namespace flexinfer
