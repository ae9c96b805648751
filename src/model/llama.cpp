#include "model/llama.h"

#include <fmt/format.h>

#include <cmath>

#include "model/metadata_reader.h"
#include "model/schedule_builder.h"

namespace flexinfer {
namespace {

// Far above any real model, far below where products of them overflow.
constexpr int64_t kMostLayers = 1024;
constexpr int64_t kMostDims = int64_t{1} << 20;
constexpr int64_t kMostHeads = 4096;
constexpr int64_t kMostContext = int64_t{1} << 28;

Status read_rope(MetadataReader& metadata, int64_t head_dim, RopeParameters& rope) {
  rope.n_dims = metadata.integer_or("rope.dimension_count", head_dim, 2, head_dim);
  rope.base = metadata.positive_or("rope.freq_base", 10000.0);
  const std::string scaling = metadata.text_or("rope.scaling.type", "none");
  if (scaling == "linear") {
    rope.linear_scale = metadata.positive_or("rope.scaling.factor", 1.0);
  } else if (scaling != "none") {
    return metadata.unsupported("rope.scaling.type", scaling);
  }
  // The key that older files use for the same.
  rope.linear_scale = metadata.positive_or("rope.scale_linear", rope.linear_scale);
  if (rope.n_dims % 2 != 0) return metadata.contradiction("rope.dimension_count is odd");
  return {};
}

Result<Hyperparameters> read_hyperparameters(const GgufFile& file) {
  MetadataReader metadata(file, "llama");
  Hyperparameters hp;
  hp.architecture = "llama";
  hp.n_layers = metadata.integer("block_count", 1, kMostLayers);
  hp.hidden_dim = metadata.integer("embedding_length", 1, kMostDims);
  hp.ffn_dim = metadata.integer("feed_forward_length", 1, kMostDims);
  hp.context_length = metadata.integer("context_length", 1, kMostContext);
  hp.norm_epsilon = static_cast<float>(metadata.positive("attention.layer_norm_rms_epsilon"));
  AttentionShape& attention = hp.attention;
  attention.n_heads = metadata.integer("attention.head_count", 1, kMostHeads);
  attention.n_kv_heads = metadata.integer_or("attention.head_count_kv", attention.n_heads, 1, kMostHeads);
  if (metadata.integer_or("expert_count", 0, 0, kMostDims) > 0) {
    return metadata.unsupported("expert_count", "a mixture of experts");
  }
  FLEX_CHECK(metadata.status());
  attention.head_dim =
      metadata.integer_or("attention.key_length", hp.hidden_dim / attention.n_heads, 1, kMostDims);
  const int64_t value_dim = metadata.integer_or("attention.value_length", attention.head_dim, 1, kMostDims);
  if (attention.head_dim == 0) return metadata.contradiction("more heads than embedding_length");
  if (attention.n_heads % attention.n_kv_heads != 0) {
    return metadata.contradiction("attention.head_count is not a multiple of attention.head_count_kv");
  }
  if (value_dim != attention.head_dim) {
    return metadata.unsupported("attention.value_length", "different from attention.key_length");
  }
  attention.scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(attention.head_dim)));
  FLEX_CHECK(read_rope(metadata, attention.head_dim, hp.rope));
  FLEX_CHECK(metadata.status());
  FLEX_TRY(hp.vocab_size, metadata.vocabulary_rows("token_embd.weight"));
  return hp;
}

LayerWeights declare_layer(ScheduleBuilder& weights, const Hyperparameters& hp, int layer) {
  auto name = [layer](std::string_view part) { return fmt::format("blk.{}.{}", layer, part); };
  LayerWeights w;
  w.attention_norm = weights.vector(name("attn_norm.weight"), hp.hidden_dim);
  w.q = weights.matrix(layer, Role::kAttentionQ, name("attn_q.weight"), hp.q_dim(), hp.hidden_dim);
  w.k = weights.matrix(layer, Role::kAttentionK, name("attn_k.weight"), hp.kv_dim(), hp.hidden_dim);
  w.v = weights.matrix(layer, Role::kAttentionV, name("attn_v.weight"), hp.kv_dim(), hp.hidden_dim);
  w.q_bias = weights.optional_vector(name("attn_q.bias"), hp.q_dim());
  w.k_bias = weights.optional_vector(name("attn_k.bias"), hp.kv_dim());
  w.v_bias = weights.optional_vector(name("attn_v.bias"), hp.kv_dim());
  w.attention_output =
      weights.matrix(layer, Role::kAttentionOutput, name("attn_output.weight"), hp.hidden_dim, hp.q_dim());
  w.attention_output_bias = weights.optional_vector(name("attn_output.bias"), hp.hidden_dim);
  w.ffn_norm = weights.vector(name("ffn_norm.weight"), hp.hidden_dim);
  w.gate = weights.matrix(layer, Role::kFfnGate, name("ffn_gate.weight"), hp.ffn_dim, hp.hidden_dim);
  w.up = weights.matrix(layer, Role::kFfnUp, name("ffn_up.weight"), hp.ffn_dim, hp.hidden_dim);
  w.down = weights.matrix(layer, Role::kFfnDown, name("ffn_down.weight"), hp.hidden_dim, hp.ffn_dim);
  weights.ignore(name("attn_rot_embd"));  // precomputed frequencies in the first GGUF files
  weights.ignore(name("attn_rot_embd.weight"));
  return w;
}

}  // namespace

Result<Model> read_llama(const GgufFile& file) {
  Model model;
  FLEX_TRY(model.hyperparameters, read_hyperparameters(file));
  const Hyperparameters& hp = model.hyperparameters;
  ScheduleBuilder weights(file);
  const auto n_layers = static_cast<int>(hp.n_layers);
  for (int layer = 0; layer < n_layers; ++layer)
    model.layers.push_back(declare_layer(weights, hp, layer));
  model.rope_factors = weights.optional_vector("rope_freqs.weight", hp.rope.n_dims / 2);
  model.output_norm = weights.vector("output_norm.weight", hp.hidden_dim);
  weights.embedding_and_head("token_embd.weight", "output.weight", n_layers, hp.vocab_size, hp.hidden_dim);
  FLEX_TRY(model.schedule, weights.finish(n_layers));
  return model;
}

}  // namespace flexinfer
