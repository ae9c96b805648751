// Shapes of known models, and the tensors they consist of.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <utility>

#include "runtime/synth.h"

namespace flexinfer {
namespace {

constexpr double kLogitDeviation = 4;  // wide enough that the best token is clear of the others
constexpr double kBiasDeviation = 0.05;

constexpr SynthFamily kQwen2 = {.architecture = "qwen2", .has_qkv_biases = true};
constexpr SynthFamily kQwen3Moe = {.architecture = "qwen3moe", .has_head_norms = true};
constexpr SynthFamily kPhi3 = {.architecture = "phi3", .is_fused = true};
constexpr SynthFamily kGemma2 = {.architecture = "gemma2", .has_post_norms = true};
constexpr SynthFamily kGemma3 = {.architecture = "gemma3", .has_head_norms = true, .has_post_norms = true};
constexpr SynthFamily kGptOss = {.architecture = "gpt-oss",
                                 .has_qkv_biases = true,
                                 .has_other_biases = true,
                                 .has_sinks = true,
                                 .ffn_norm = "post_attention_norm"};

// name, vocabulary, hidden, layers, heads, kv heads, ffn, context, rope base, tied, experts, used, head,
// family, window, rope scaling
constexpr SynthShape kShapes[] = {
    {"tiny", 512, 256, 4, 4, 2, 768, 512, 10000},
    {"tiny-mixture", 512, 256, 4, 4, 2, 512, 512, 10000, false, 8, 2},
    {"tiny-qwen2", 512, 256, 4, 4, 2, 768, 512, 1000000, true, 0, 0, 0, kQwen2},
    {"tiny-phi3", 512, 256, 4, 4, 2, 768, 512, 10000, false, 0, 0, 0, kPhi3, 64},
    {"tiny-gemma2", 512, 256, 4, 4, 2, 768, 512, 10000, true, 0, 0, 64, kGemma2, 32},
    {"tiny-gemma3", 512, 256, 6, 4, 1, 768, 512, 1000000, true, 0, 0, 64, kGemma3, 32},
    {"tiny-gpt-oss", 512, 256, 4, 8, 2, 256, 512, 150000, false, 8, 4, 64, kGptOss, 32, "yarn", 8, 64},
    {"smollm-135m", 49152, 576, 30, 9, 3, 1536, 2048, 10000, true},
    {"qwen2.5-0.5b", 151936, 896, 24, 14, 2, 4864, 32768, 1000000, true, 0, 0, 0, kQwen2},
    {"gemma3-1b", 262144, 1152, 26, 4, 1, 6912, 32768, 1000000, true, 0, 0, 256, kGemma3, 512},
    {"tinyllama-1.1b", 32000, 2048, 22, 32, 4, 5632, 2048, 10000},
    {"gemma2-2b", 256000, 2304, 26, 8, 4, 9216, 8192, 10000, true, 0, 0, 256, kGemma2, 4096},
    {"phi3-mini-3.8b", 32064, 3072, 32, 32, 32, 8192, 4096, 10000, false, 0, 0, 0, kPhi3, 2047},
    {"gemma3-4b", 262208, 2560, 34, 8, 4, 10240, 131072, 1000000, true, 0, 0, 256, kGemma3, 1024, "linear",
     8},
    {"llama2-7b", 32000, 4096, 32, 32, 32, 11008, 4096, 10000},
    {"mistral-7b", 32000, 4096, 32, 32, 8, 14336, 32768, 10000},
    {"qwen2.5-7b", 152064, 3584, 28, 28, 4, 18944, 32768, 1000000, false, 0, 0, 0, kQwen2},
    {"llama3-8b", 128256, 4096, 32, 32, 8, 14336, 8192, 500000},
    {"gemma2-9b", 256000, 3584, 42, 16, 8, 14336, 8192, 10000, true, 0, 0, 256, kGemma2, 4096},
    {"llama2-13b", 32000, 5120, 40, 40, 40, 13824, 4096, 10000},
    {"phi4-14b", 100352, 5120, 40, 40, 10, 17920, 16384, 250000, false, 0, 0, 0, kPhi3},
    {"codellama-34b", 32000, 8192, 48, 64, 8, 22016, 16384, 1000000},
    {"llama2-70b", 32000, 8192, 80, 64, 8, 28672, 4096, 10000},
    {"gpt-oss-20b", 201088, 2880, 24, 64, 8, 2880, 131072, 150000, false, 32, 4, 64, kGptOss, 128, "yarn", 32,
     4096},
    {"qwen3-30b-a3b", 151936, 2048, 48, 32, 4, 768, 40960, 1000000, false, 128, 8, 128, kQwen3Moe},
    {"mixtral-8x7b", 32000, 4096, 32, 32, 8, 14336, 32768, 1000000, false, 8, 2},
    {"gpt-oss-120b", 201088, 2880, 36, 64, 8, 2880, 131072, 150000, false, 128, 4, 64, kGptOss, 128, "yarn",
     32, 4096},
};

// A matrix whose product with a vector of ones' size has ones' size again.
SynthTensor matrix(std::string name, GgmlType type, uint64_t cols, uint64_t rows) {
  return {std::move(name), type, {cols, rows}, 1 / std::sqrt(static_cast<double>(cols))};
}

SynthTensor vector(std::string name, uint64_t size, double deviation) {
  return {std::move(name), GgmlType::kF32, {size}, deviation};
}

// The tensors of one layer.
class Layer {
 public:
  Layer(std::vector<SynthTensor>& tensors, const SynthShape& shape, uint64_t number, GgmlType dense,
        GgmlType experts)
      : tensors_(tensors), shape_(shape), number_(number), dense_(dense), experts_(experts) {}

  // Attention adds to the activations in proportion to what the embedding put there: were it more, the token
  // at hand would drown in the average of its context, and one token would follow for ever.
  void add_attention(double embedding_deviation) {
    if (shape_.family.is_fused) {
      add_matrix("attn_qkv", shape_.hidden_dim, q_dim() + 2 * kv_dim());
    } else {
      add_matrix("attn_q", shape_.hidden_dim, q_dim());
      add_matrix("attn_k", shape_.hidden_dim, kv_dim());
      add_matrix("attn_v", shape_.hidden_dim, kv_dim());
    }
    add_matrix("attn_output", q_dim(), shape_.hidden_dim);
    tensors_.back().deviation *= embedding_deviation;
  }

  void add_ffn() {
    if (shape_.n_experts > 0) return add_mixture();
    if (shape_.family.is_fused) {
      add_matrix("ffn_up", shape_.hidden_dim, 2 * shape_.ffn_dim);
    } else {
      add_matrix("ffn_gate", shape_.hidden_dim, shape_.ffn_dim);
      add_matrix("ffn_up", shape_.hidden_dim, shape_.ffn_dim);
    }
    add_matrix("ffn_down", shape_.ffn_dim, shape_.hidden_dim);
  }

  void add_norms() {
    if (shape_.family.has_head_norms) {
      add_norm("attn_q_norm", shape_.head_dim());
      add_norm("attn_k_norm", shape_.head_dim());
    }
    add_norm("attn_norm", shape_.hidden_dim);
    add_norm(shape_.family.ffn_norm, shape_.hidden_dim);
    if (shape_.family.has_post_norms) {
      add_norm("post_attention_norm", shape_.hidden_dim);
      add_norm("post_ffw_norm", shape_.hidden_dim);
    }
  }

  void add_biases() {
    if (shape_.family.has_qkv_biases) {
      add_bias("attn_q", q_dim());
      add_bias("attn_k", kv_dim());
      add_bias("attn_v", kv_dim());
    }
    if (shape_.family.has_other_biases) {
      add_bias("attn_output", shape_.hidden_dim);
      add_bias("ffn_gate_inp", shape_.n_experts);
      add_expert_biases("ffn_gate_exps", shape_.ffn_dim);
      add_expert_biases("ffn_up_exps", shape_.ffn_dim);
      add_expert_biases("ffn_down_exps", shape_.hidden_dim);
    }
    if (shape_.family.has_sinks) tensors_.push_back(vector(named("attn_sinks.weight"), shape_.n_heads, 1));
  }

 private:
  uint64_t q_dim() const { return shape_.n_heads * shape_.head_dim(); }
  uint64_t kv_dim() const { return shape_.n_kv_heads * shape_.head_dim(); }
  std::string named(std::string_view tensor) const { return fmt::format("blk.{}.{}", number_, tensor); }

  void add_matrix(std::string_view role, uint64_t cols, uint64_t rows) {
    tensors_.push_back(matrix(named(role) + ".weight", dense_, cols, rows));
  }
  void add_experts(std::string_view role, uint64_t cols, uint64_t rows) {
    tensors_.push_back(matrix(named(role) + ".weight", experts_, cols, rows));
    tensors_.back().dims.push_back(shape_.n_experts);
  }
  void add_mixture() {
    tensors_.push_back(
        matrix(named("ffn_gate_inp.weight"), GgmlType::kF32, shape_.hidden_dim, shape_.n_experts));
    add_experts("ffn_gate_exps", shape_.hidden_dim, shape_.ffn_dim);
    add_experts("ffn_up_exps", shape_.hidden_dim, shape_.ffn_dim);
    add_experts("ffn_down_exps", shape_.ffn_dim, shape_.hidden_dim);
  }
  void add_norm(std::string_view role, uint64_t size) {
    tensors_.push_back(vector(named(role) + ".weight", size, 0));
  }
  void add_bias(std::string_view role, uint64_t size) {
    tensors_.push_back(vector(named(role) + ".bias", size, kBiasDeviation));
  }
  void add_expert_biases(std::string_view role, uint64_t size) {
    add_bias(role, size);
    tensors_.back().dims.push_back(shape_.n_experts);
  }

  std::vector<SynthTensor>& tensors_;
  const SynthShape& shape_;
  uint64_t number_;
  GgmlType dense_;
  GgmlType experts_;
};

}  // namespace

uint64_t SynthTensor::n_parameters() const {
  return std::accumulate(dims.begin(), dims.end(), uint64_t{1}, std::multiplies<>());
}

uint64_t SynthShape::n_parameters() const {
  uint64_t sum = 0;
  for (const SynthTensor& tensor : synth_tensors(*this, GgmlType::kF32))
    sum += tensor.n_parameters();
  return sum;
}

std::span<const SynthShape> synth_shapes() {
  return kShapes;
}

const SynthShape* find_synth_shape(std::string_view name) {
  const auto* found = std::ranges::find(kShapes, name, &SynthShape::name);
  return found == std::end(kShapes) ? nullptr : found;
}

std::vector<SynthTensor> synth_tensors(const SynthShape& shape, GgmlType type) {
  const GgmlType dense = type == GgmlType::kMXFP4 && shape.n_experts > 0 ? GgmlType::kQ8_0 : type;
  SynthTensor head = matrix("output.weight", dense, shape.hidden_dim, shape.vocab_size);
  head.deviation *= kLogitDeviation;
  SynthTensor embedding = head;
  embedding.name = "token_embd.weight";
  if (!shape.is_tied) embedding.deviation = 1;
  std::vector<SynthTensor> tensors = {embedding};
  for (uint64_t number = 0; number < shape.n_layers; ++number) {
    Layer layer(tensors, shape, number, dense, type);
    layer.add_attention(embedding.deviation);
    layer.add_ffn();
    layer.add_norms();
    layer.add_biases();
  }
  tensors.push_back(vector("output_norm.weight", shape.hidden_dim, 0));
  if (!shape.is_tied) tensors.push_back(std::move(head));
  return tensors;
}

}  // namespace flexinfer
