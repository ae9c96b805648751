#include "unit/model/model_file.h"

#include <functional>
#include <random>

#include "gguf/gguf_writer.h"
#include "quant/dequantize.h"

namespace flexinfer {
namespace {

uint64_t n_elements(const std::vector<uint64_t>& dims) {
  uint64_t n = 1;
  for (uint64_t dim : dims)
    n *= dim;
  return n;
}

// Types that cannot be made from floats stay zero: no test computes with them.
std::vector<std::byte> weights(const std::string& name, const ModelFile::Tensor& tensor) {
  std::mt19937 random(static_cast<uint32_t>(std::hash<std::string>{}(name)));
  const bool is_norm = name.find("norm") != std::string::npos;
  std::normal_distribution<float> normal(is_norm ? 1.0f : 0.0f, is_norm ? 0.1f : 0.2f);
  const uint64_t n = n_elements(tensor.dims);
  std::vector<float> values(n);
  for (float& value : values)
    value = normal(random);
  std::vector<std::byte> bytes(row_bytes(tensor.type, tensor.dims[0]).value_or(0) * (n / tensor.dims[0]));
  quantize_row(tensor.type, values.data(), static_cast<int64_t>(n), bytes.data());
  return bytes;
}

}  // namespace

ModelFile::ModelFile() {
  integers = {{"block_count", 2},          {"embedding_length", 64},    {"feed_forward_length", 96},
              {"context_length", 128},     {"attention.head_count", 4}, {"attention.head_count_kv", 2},
              {"rope.dimension_count", 16}};
  numbers = {{"attention.layer_norm_rms_epsilon", 1e-5f}};
  add("token_embd.weight", {64, 40});
  add("output.weight", {64, 40});
  add("output_norm.weight", {64});
  add_to_layers("attn_norm.weight", {64});
  add_to_layers("attn_q.weight", {64, 64});
  add_to_layers("attn_k.weight", {64, 32});
  add_to_layers("attn_v.weight", {64, 32});
  add_to_layers("attn_output.weight", {64, 64});
  add_to_layers("ffn_norm.weight", {64});
  add_to_layers("ffn_gate.weight", {64, 96});
  add_to_layers("ffn_up.weight", {64, 96});
  add_to_layers("ffn_down.weight", {96, 64});
}

void ModelFile::add_to_layers(const std::string& name, std::vector<uint64_t> dims, GgmlType type) {
  for (uint32_t layer = 0; layer < integers["block_count"]; ++layer)
    add("blk." + std::to_string(layer) + "." + name, dims, type);
}

void ModelFile::remove_from_layers(const std::string& name) {
  for (uint32_t layer = 0; layer < integers["block_count"]; ++layer)
    tensors.erase("blk." + std::to_string(layer) + "." + name);
}

Status ModelFile::write() const {
  GgufWriter writer(path());
  if (!architecture.empty()) writer.set_text("general.architecture", architecture);
  for (const auto& [key, value] : integers)
    writer.set_u32(architecture + "." + key, value);
  for (const auto& [key, value] : numbers)
    writer.set_f32(architecture + "." + key, value);
  for (const auto& [key, value] : texts)
    writer.set_text(architecture + "." + key, value);
  for (const auto& [name, tensor] : tensors)
    writer.add_tensor(name, tensor.type, tensor.dims);
  FLEX_CHECK(writer.begin_data());
  for (const auto& [name, tensor] : tensors)
    FLEX_CHECK(writer.append(weights(name, tensor)));
  return writer.finish();
}

Result<GgufFile> ModelFile::open() const {
  FLEX_CHECK(write());
  return GgufFile::open(path());
}

Result<Model> ModelFile::read() const {
  FLEX_TRY(const GgufFile file, open());
  return read_model(file);
}

}  // namespace flexinfer
