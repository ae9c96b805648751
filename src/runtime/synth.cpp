#include "runtime/synth.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <numeric>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "base/page_buffer.h"
#include "base/thread_pool.h"
#include "gguf/file_type.h"
#include "gguf/gguf_writer.h"
#include "runtime/random_weights.h"
#include "runtime/synth_vocabulary.h"

namespace flexinfer {
namespace {

constexpr uint64_t kChunkBytes = 4 * kMiB;
constexpr float kRmsEpsilon = 1e-5f;
constexpr double kLogitDeviation = 4;  // wide enough that the best token is clear of the others

// name, vocabulary, hidden, layers, heads, kv heads, ffn, context, rope base, tied, experts, used, head,
// architecture
constexpr SynthShape kShapes[] = {
    {"tiny", 512, 256, 4, 4, 2, 768, 512, 10000},
    {"tiny-mixture", 512, 256, 4, 4, 2, 512, 512, 10000, false, 8, 2},
    {"smollm-135m", 49152, 576, 30, 9, 3, 1536, 2048, 10000, true},
    {"tinyllama-1.1b", 32000, 2048, 22, 32, 4, 5632, 2048, 10000},
    {"llama2-7b", 32000, 4096, 32, 32, 32, 11008, 4096, 10000},
    {"mistral-7b", 32000, 4096, 32, 32, 8, 14336, 32768, 10000},
    {"llama3-8b", 128256, 4096, 32, 32, 8, 14336, 8192, 500000},
    {"llama2-13b", 32000, 5120, 40, 40, 40, 13824, 4096, 10000},
    {"codellama-34b", 32000, 8192, 48, 64, 8, 22016, 16384, 1000000},
    {"llama2-70b", 32000, 8192, 80, 64, 8, 28672, 4096, 10000},
    {"mixtral-8x7b", 32000, 4096, 32, 32, 8, 14336, 32768, 1000000, false, 8, 2},
    {"qwen3-30b-a3b", 151936, 2048, 48, 32, 4, 768, 40960, 1000000, false, 128, 8, 128, "qwen3moe"},
};

// A matrix whose product with a vector of ones' size has ones' size again.
SynthTensor matrix(std::string name, GgmlType type, uint64_t cols, uint64_t rows) {
  return {std::move(name), type, {cols, rows}, 1 / std::sqrt(static_cast<double>(cols))};
}

// The same for every expert.
SynthTensor experts(std::string name, GgmlType type, uint64_t cols, uint64_t rows, uint64_t n_experts) {
  SynthTensor tensor = matrix(std::move(name), type, cols, rows);
  tensor.dims.push_back(n_experts);
  return tensor;
}

SynthTensor norm(std::string name, uint64_t size) {
  return {std::move(name), GgmlType::kF32, {size}, 0};
}

// Attention adds to the activations in proportion to what the embedding put there: were it more, the token at
// hand would drown in the average of its context, and one token would follow for ever.
void add_layer(std::vector<SynthTensor>& tensors, const SynthShape& shape, GgmlType type, uint64_t layer,
               double embedding_deviation) {
  const uint64_t hidden_dim = shape.hidden_dim;
  const uint64_t q_dim = shape.n_heads * shape.head_dim();
  const uint64_t kv_dim = shape.n_kv_heads * shape.head_dim();
  const auto named = [&](std::string_view role) { return fmt::format("blk.{}.{}.weight", layer, role); };
  tensors.push_back(matrix(named("attn_q"), type, hidden_dim, q_dim));
  tensors.push_back(matrix(named("attn_k"), type, hidden_dim, kv_dim));
  tensors.push_back(matrix(named("attn_v"), type, hidden_dim, kv_dim));
  tensors.push_back(matrix(named("attn_output"), type, q_dim, hidden_dim));
  tensors.back().deviation *= embedding_deviation;
  if (shape.n_experts > 0) {
    tensors.push_back(matrix(named("ffn_gate_inp"), GgmlType::kF32, hidden_dim, shape.n_experts));
    tensors.push_back(experts(named("ffn_gate_exps"), type, hidden_dim, shape.ffn_dim, shape.n_experts));
    tensors.push_back(experts(named("ffn_up_exps"), type, hidden_dim, shape.ffn_dim, shape.n_experts));
    tensors.push_back(experts(named("ffn_down_exps"), type, shape.ffn_dim, hidden_dim, shape.n_experts));
  } else {
    tensors.push_back(matrix(named("ffn_gate"), type, hidden_dim, shape.ffn_dim));
    tensors.push_back(matrix(named("ffn_up"), type, hidden_dim, shape.ffn_dim));
    tensors.push_back(matrix(named("ffn_down"), type, shape.ffn_dim, hidden_dim));
  }
  if (shape.has_head_norms()) {
    tensors.push_back(norm(named("attn_q_norm"), shape.head_dim()));
    tensors.push_back(norm(named("attn_k_norm"), shape.head_dim()));
  }
  tensors.push_back(norm(named("attn_norm"), hidden_dim));
  tensors.push_back(norm(named("ffn_norm"), hidden_dim));
}

void set_hyperparameters(GgufWriter& writer, const SynthShape& shape) {
  const auto set = [&](std::string_view key, uint64_t value) {
    writer.set_u32(fmt::format("{}.{}", shape.architecture, key), static_cast<uint32_t>(value));
  };
  set("vocab_size", shape.vocab_size);
  set("context_length", shape.context_length);
  set("embedding_length", shape.hidden_dim);
  set("block_count", shape.n_layers);
  set("feed_forward_length", shape.ffn_dim);
  set("attention.head_count", shape.n_heads);
  set("attention.head_count_kv", shape.n_kv_heads);
  set("attention.key_length", shape.head_dim());
  set("attention.value_length", shape.head_dim());
  set("rope.dimension_count", shape.head_dim());
  if (shape.n_experts > 0) {
    set("expert_count", shape.n_experts);
    set("expert_used_count", shape.n_experts_used);
    set("expert_feed_forward_length", shape.ffn_dim);
  }
  writer.set_f32(fmt::format("{}.rope.freq_base", shape.architecture), shape.rope_base);
  writer.set_f32(fmt::format("{}.attention.layer_norm_rms_epsilon", shape.architecture), kRmsEpsilon);
}

void set_vocabulary(GgufWriter& writer, uint64_t vocab_size) {
  const SynthVocabulary vocabulary = make_synth_vocabulary(vocab_size);
  writer.set_text("tokenizer.ggml.model", "llama");
  writer.set_text("tokenizer.ggml.pre", "default");
  writer.set_texts("tokenizer.ggml.tokens", vocabulary.tokens);
  writer.set_f32s("tokenizer.ggml.scores", vocabulary.scores);
  writer.set_i32s("tokenizer.ggml.token_type", vocabulary.types);
  writer.set_u32("tokenizer.ggml.bos_token_id", kSynthBegin);
  writer.set_u32("tokenizer.ggml.eos_token_id", kSynthEnd);
  writer.set_u32("tokenizer.ggml.unknown_token_id", kSynthUnknown);
  writer.set_bool("tokenizer.ggml.add_bos_token", true);
  writer.set_bool("tokenizer.ggml.add_eos_token", false);
}

void set_metadata(GgufWriter& writer, const SynthShape& shape, uint32_t file_type_number) {
  writer.set_text("general.architecture", shape.architecture);
  writer.set_text("general.name", fmt::format("{} (synthetic)", shape.name));
  writer.set_u32("general.file_type", file_type_number);
  writer.set_u32("general.quantization_version", 2);
  set_hyperparameters(writer, shape);
  set_vocabulary(writer, shape.vocab_size);
}

Status check_rows(const SynthShape& shape, const std::vector<SynthTensor>& tensors) {
  for (const SynthTensor& tensor : tensors) {
    if (row_bytes(tensor.type, tensor.dims[0])) continue;
    const GgmlTypeInfo& info = ggml_type_info(tensor.type);
    return make_error(
        ErrorCode::kUsage,
        fmt::format("{} cannot be written in {}: rows of {} have {} elements, and {} comes in blocks of "
                    "{}; try Q4_0 or Q8_0",
                    shape.name, info.name, tensor.name, tensor.dims[0], info.name, info.block_elements));
  }
  return {};
}

// A run of bytes of one tensor.
struct Chunk {
  const SynthTensor* tensor;
  uint64_t offset;
  uint64_t size;
};

RandomWeights weights_of(const SynthTensor& tensor, uint64_t seed) {
  return {tensor.type, tensor.deviation, seed, tensor.name};
}

std::vector<Chunk> cut_into_chunks(const std::vector<SynthTensor>& tensors) {
  std::vector<Chunk> chunks;
  for (const SynthTensor& tensor : tensors) {
    const uint64_t size = *row_bytes(tensor.type, tensor.dims[0]) * (tensor.n_parameters() / tensor.dims[0]);
    const uint64_t most = align_down(kChunkBytes, weights_of(tensor, 0).unit_bytes());
    for (uint64_t offset = 0; offset < size; offset += most) {
      chunks.push_back({&tensor, offset, std::min(most, size - offset)});
    }
  }
  return chunks;
}

void fill(const Chunk& chunk, uint64_t seed, std::byte* out) {
  if (chunk.tensor->deviation > 0) {
    weights_of(*chunk.tensor, seed).fill(chunk.offset, {out, chunk.size});
  } else {
    std::fill_n(reinterpret_cast<float*>(out), chunk.size / sizeof(float), 1.0f);
  }
}

// While one thread writes a chunk, the other makes the next.
Status write_chunks(GgufWriter& writer, const std::vector<Chunk>& chunks, uint64_t seed,
                    FunctionRef<bool(uint64_t, uint64_t)> progress) {
  std::array<PageBuffer, 2> buffers;
  for (PageBuffer& buffer : buffers) {
    FLEX_TRY(buffer, PageBuffer::allocate(kChunkBytes));
  }
  const uint64_t total_bytes = std::transform_reduce(chunks.begin(), chunks.end(), uint64_t{0}, std::plus<>(),
                                                     [](const Chunk& chunk) { return chunk.size; });
  uint64_t done_bytes = 0;
  ThreadPool pool(2);
  fill(chunks[0], seed, buffers[0].data());
  for (size_t i = 0; i < chunks.size(); ++i) {
    Status written;
    pool.run([&](int worker, int) {
      if (worker == 0) written = writer.append({buffers[i % 2].data(), chunks[i].size});
      if (worker == 1 && i + 1 < chunks.size()) fill(chunks[i + 1], seed, buffers[(i + 1) % 2].data());
    });
    FLEX_CHECK(written);
    done_bytes += chunks[i].size;
    if (!progress(done_bytes, total_bytes)) return make_error(ErrorCode::kCancelled, "cancelled");
  }
  return {};
}

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
  SynthTensor head = matrix("output.weight", type, shape.hidden_dim, shape.vocab_size);
  head.deviation *= kLogitDeviation;
  SynthTensor embedding = head;
  embedding.name = "token_embd.weight";
  if (!shape.is_tied) embedding.deviation = 1;
  std::vector<SynthTensor> tensors = {embedding};
  for (uint64_t layer = 0; layer < shape.n_layers; ++layer) {
    add_layer(tensors, shape, type, layer, embedding.deviation);
  }
  tensors.push_back(norm("output_norm.weight", shape.hidden_dim));
  if (!shape.is_tied) tensors.push_back(std::move(head));
  return tensors;
}

Status write_synthetic_model(const SynthShape& shape, GgmlType type, const std::string& path, uint64_t seed,
                             FunctionRef<bool(uint64_t done_bytes, uint64_t total_bytes)> progress) {
  const std::optional<uint32_t> file_type_number = file_type_of(type);
  if (!file_type_number || !RandomWeights::supports(type)) {
    return make_error(ErrorCode::kUsage,
                      fmt::format("there are no synthetic weights in {}; try Q4_0, Q8_0 or F16",
                                  ggml_type_info(type).name));
  }
  const std::vector<SynthTensor> tensors = synth_tensors(shape, type);
  FLEX_CHECK(check_rows(shape, tensors));
  GgufWriter writer(path);
  set_metadata(writer, shape, *file_type_number);
  for (const SynthTensor& tensor : tensors)
    writer.add_tensor(tensor.name, tensor.type, tensor.dims);
  FLEX_CHECK(writer.begin_data());
  FLEX_CHECK(write_chunks(writer, cut_into_chunks(tensors), seed, progress));
  return writer.finish();
}

}  // namespace flexinfer
