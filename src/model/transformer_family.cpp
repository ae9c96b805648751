#include "model/transformer_family.h"

#include <cmath>
#include <string>
#include <utility>

namespace flexinfer {
namespace {

// Far above any real model, far below where products of them overflow.
constexpr int64_t kMostDims = int64_t{1} << 20;
constexpr int64_t kMostHeads = 4096;
constexpr int64_t kMostExperts = 1024;

constexpr const char* kLongFactors = "rope_factors_long.weight";
constexpr const char* kShortFactors = "rope_factors_short.weight";

Status read_heads(MetadataReader& metadata, int64_t hidden_dim, AttentionShape& attention) {
  attention.n_heads = metadata.integer("attention.head_count", 1, kMostHeads);
  attention.n_kv_heads = metadata.integer_or("attention.head_count_kv", attention.n_heads, 1, kMostHeads);
  FLEX_CHECK(metadata.status());
  attention.head_dim =
      metadata.integer_or("attention.key_length", hidden_dim / attention.n_heads, 1, kMostDims);
  const int64_t value_dim = metadata.integer_or("attention.value_length", attention.head_dim, 1, kMostDims);
  if (attention.head_dim == 0) return metadata.contradiction("more heads than embedding_length");
  if (attention.n_heads % attention.n_kv_heads != 0) {
    return metadata.contradiction("attention.head_count is not a multiple of attention.head_count_kv");
  }
  if (value_dim != attention.head_dim) {
    return metadata.unsupported("attention.value_length", "different from attention.key_length");
  }
  attention.scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(attention.head_dim)));
  return metadata.status();
}

void read_experts(MetadataReader& metadata, Hyperparameters& hp) {
  Routing& routing = hp.routing;
  routing.n_experts = metadata.integer_or("expert_count", 0, 0, kMostExperts);
  if (routing.n_experts == 0) return;
  routing.n_used = metadata.integer("expert_used_count", 1, routing.n_experts);
  hp.ffn_dim = metadata.integer_or("expert_feed_forward_length", hp.ffn_dim, 1, kMostDims);
}

// The magnitude that comes with YaRN is divided by what the model's own multiplier would make of it.
Status read_yarn(MetadataReader& metadata, const Hyperparameters& hp, double factor, RopeParameters& rope) {
  rope.yarn.factor = factor;
  rope.yarn.original_context_length = hp.original_context_length;
  rope.yarn.beta_fast = metadata.positive_or("rope.scaling.yarn_beta_fast", rope.yarn.beta_fast);
  rope.yarn.beta_slow = metadata.positive_or("rope.scaling.yarn_beta_slow", rope.yarn.beta_slow);
  const double multiplier = metadata.not_negative_or("rope.scaling.yarn_log_multiplier", 0.0);
  rope.magnitude *= metadata.positive_or("rope.scaling.yarn_attn_factor", 1.0);
  rope.magnitude *= yarn_magnitude(factor) / (1.0 + multiplier * (yarn_magnitude(factor) - 1.0));
  if (factor < 1.0 || rope.base <= 1.0) {
    return metadata.contradiction(
        "YaRN needs a rope.scaling.factor of at least and a rope.freq_base above 1");
  }
  if (metadata.positive_or("rope.scaling.yarn_ext_factor", 1.0) != 1.0) {
    return metadata.unsupported("rope.scaling.yarn_ext_factor", "other than 1");
  }
  return metadata.status();
}

// What stretches a rope: positions divided by a factor ("linear", also where no type is given), YaRN, or
// factors that stand in tensors ("longrope"). A base made for longer contexts (NTK-aware scaling) is a base
// like any other.
Status read_rope_scaling(MetadataReader& metadata, const Hyperparameters& hp, RopeParameters& rope) {
  const std::string scaling = metadata.text_or("rope.scaling.type", "linear");
  const double factor =
      metadata.positive_or("rope.scaling.factor", metadata.positive_or("rope.scale_linear", 1.0));
  rope.magnitude = metadata.positive_or("rope.scaling.attn_factor", 1.0);
  if (scaling == "linear") {
    rope.linear_scale = factor;
  } else if (scaling == "yarn") {
    FLEX_CHECK(read_yarn(metadata, hp, factor, rope));
  } else if (scaling == "longrope") {
    FLEX_CHECK(metadata.require_tensor(kLongFactors));
  } else if (scaling != "none") {
    return metadata.unsupported("rope.scaling.type", scaling);
  }
  return metadata.status();
}

Result<RopeParameters> read_rope(MetadataReader& metadata, const Hyperparameters& hp, RopePairs pairs) {
  const int64_t head_dim = hp.attention.head_dim;
  RopeParameters rope;
  rope.pairs = pairs;
  rope.n_dims = metadata.integer_or("rope.dimension_count", head_dim, 2, head_dim);
  rope.base = metadata.positive_or("rope.freq_base", 10000.0);
  if (rope.n_dims % 2 != 0) return metadata.contradiction("rope.dimension_count is odd");
  FLEX_CHECK(read_rope_scaling(metadata, hp, rope));
  return rope;
}

// Llama 3.1's factors, or longrope's two sets of them.
void declare_rope_factors(const GgufFile& file, ScheduleBuilder& weights, Model& model) {
  const int64_t n_pairs = model.hyperparameters.ropes.front().n_dims / 2;
  model.rope_factors = weights.optional_vector("rope_freqs.weight", n_pairs);
  if (file.find_tensor(kLongFactors) == nullptr && file.find_tensor(kShortFactors) == nullptr) return;
  model.long_rope_factors = weights.vector(kLongFactors, n_pairs);
  model.rope_factors = weights.vector(kShortFactors, n_pairs);
}

}  // namespace

Result<Hyperparameters> read_hyperparameters(MetadataReader& metadata, RopePairs pairs) {
  Hyperparameters hp;
  hp.layers.resize(static_cast<size_t>(metadata.integer("block_count", 1, kMostLayers)));
  hp.hidden_dim = metadata.integer("embedding_length", 1, kMostDims);
  hp.ffn_dim = metadata.integer("feed_forward_length", 1, kMostDims);
  read_experts(metadata, hp);
  hp.context_length = metadata.integer("context_length", 1, kMostContext);
  hp.original_context_length =
      metadata.integer_or("rope.scaling.original_context_length", hp.context_length, 1, kMostContext);
  hp.norm_epsilon = static_cast<float>(metadata.positive("attention.layer_norm_rms_epsilon"));
  FLEX_CHECK(read_heads(metadata, hp.hidden_dim, hp.attention));
  FLEX_TRY(RopeParameters rope, read_rope(metadata, hp, pairs));
  hp.ropes.push_back(rope);
  FLEX_TRY(hp.vocab_size, metadata.vocabulary_rows("token_embd.weight"));
  return hp;
}

void set_windows(Hyperparameters& hp, int64_t window, int64_t period) {
  for (size_t i = 0; i < hp.layers.size(); ++i) {
    if ((static_cast<int64_t>(i) + 1) % period != 0) hp.layers[i].window = window;
  }
}

AttentionWeights declare_attention(LayerTensors& tensors, const Hyperparameters& hp) {
  AttentionWeights w;
  w.norm = tensors.vector("attn_norm.weight", hp.hidden_dim);
  w.q = tensors.matrix(Role::kAttentionQ, "attn_q.weight", hp.q_dim(), hp.hidden_dim);
  w.k = tensors.matrix(Role::kAttentionK, "attn_k.weight", hp.kv_dim(), hp.hidden_dim);
  w.v = tensors.matrix(Role::kAttentionV, "attn_v.weight", hp.kv_dim(), hp.hidden_dim);
  w.q_bias = tensors.optional_vector("attn_q.bias", hp.q_dim());
  w.k_bias = tensors.optional_vector("attn_k.bias", hp.kv_dim());
  w.v_bias = tensors.optional_vector("attn_v.bias", hp.kv_dim());
  w.output = tensors.matrix(Role::kAttentionOutput, "attn_output.weight", hp.hidden_dim, hp.q_dim());
  w.output_bias = tensors.optional_vector("attn_output.bias", hp.hidden_dim);
  return w;
}

void declare_head_norms(LayerTensors& tensors, const Hyperparameters& hp, AttentionWeights& w) {
  w.q_norm = tensors.vector("attn_q_norm.weight", hp.attention.head_dim);
  w.k_norm = tensors.vector("attn_k_norm.weight", hp.attention.head_dim);
}

FfnWeights declare_ffn(LayerTensors& tensors, const Hyperparameters& hp) {
  FfnWeights w;
  w.norm = tensors.vector("ffn_norm.weight", hp.hidden_dim);
  w.gate = tensors.matrix(Role::kFfnGate, "ffn_gate.weight", hp.ffn_dim, hp.hidden_dim);
  w.up = tensors.matrix(Role::kFfnUp, "ffn_up.weight", hp.ffn_dim, hp.hidden_dim);
  w.down = tensors.matrix(Role::kFfnDown, "ffn_down.weight", hp.hidden_dim, hp.ffn_dim);
  return w;
}

Status require_experts(const MetadataReader& metadata, const Hyperparameters& hp) {
  if (hp.routing.n_experts == 0) return metadata.contradiction("expert_count is missing or 0");
  return {};
}

ExpertWeights declare_experts(LayerTensors& tensors, const Hyperparameters& hp, std::string_view norm) {
  const int64_t n = hp.routing.n_experts;
  ExpertWeights w;
  w.norm = tensors.vector(norm, hp.hidden_dim);
  w.router = tensors.matrix(Role::kRouter, "ffn_gate_inp.weight", n, hp.hidden_dim);
  w.router_bias = tensors.optional_vector("ffn_gate_inp.bias", n);
  w.block = tensors.experts(hp.hidden_dim, hp.ffn_dim, n, hp.routing.n_used);
  w.gate_bias = tensors.optional_vectors("ffn_gate_exps.bias", n, hp.ffn_dim);
  w.up_bias = tensors.optional_vectors("ffn_up_exps.bias", n, hp.ffn_dim);
  w.down_bias = tensors.optional_vectors("ffn_down_exps.bias", n, hp.hidden_dim);
  return w;
}

Result<Model> declare_model(const GgufFile& file, Hyperparameters hp, DeclareLayer declare_layer) {
  Model model;
  model.hyperparameters = std::move(hp);
  const Hyperparameters& numbers = model.hyperparameters;
  ScheduleBuilder weights(file);
  const auto n_layers = static_cast<int>(numbers.n_layers());
  for (int layer = 0; layer < n_layers; ++layer) {
    LayerTensors tensors(weights, layer);
    model.layers.push_back(declare_layer(tensors, numbers));
  }
  declare_rope_factors(file, weights, model);
  model.output_norm = weights.vector("output_norm.weight", numbers.hidden_dim);
  weights.embedding_and_head("token_embd.weight", "output.weight", n_layers, numbers.vocab_size,
                             numbers.hidden_dim);
  FLEX_TRY(model.schedule, weights.finish(n_layers));
  return model;
}

}  // namespace flexinfer
