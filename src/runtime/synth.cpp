#include "runtime/synth.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
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

void set_rope(GgufWriter& writer, const SynthShape& shape) {
  const auto key = [&](std::string_view name) {
    return fmt::format("{}.rope.{}", shape.family.architecture, name);
  };
  writer.set_u32(key("dimension_count"), static_cast<uint32_t>(shape.head_dim()));
  writer.set_f32(key("freq_base"), shape.rope_base);
  if (shape.rope_scaling.empty()) return;
  writer.set_text(key("scaling.type"), shape.rope_scaling);
  writer.set_f32(key("scaling.factor"), shape.rope_factor);
  if (shape.original_context_length == 0) return;
  writer.set_u32(key("scaling.original_context_length"),
                 static_cast<uint32_t>(shape.original_context_length));
}

void set_hyperparameters(GgufWriter& writer, const SynthShape& shape) {
  const auto set = [&](std::string_view key, uint64_t value) {
    writer.set_u32(fmt::format("{}.{}", shape.family.architecture, key), static_cast<uint32_t>(value));
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
  if (shape.n_experts > 0) {
    set("expert_count", shape.n_experts);
    set("expert_used_count", shape.n_experts_used);
    set("expert_feed_forward_length", shape.ffn_dim);
  }
  if (shape.window > 0) set("attention.sliding_window", shape.window);
  set_rope(writer, shape);
  writer.set_f32(fmt::format("{}.attention.layer_norm_rms_epsilon", shape.family.architecture), kRmsEpsilon);
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
  writer.set_text("general.architecture", shape.family.architecture);
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
