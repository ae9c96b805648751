// Models in another type: every tensor's bytes, what is kept and copied, and nothing left behind on failure.
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>
#include <stdexcept>

#include "flexinfer/tools.h"
#include "gguf/gguf_file.h"
#include "gguf/gguf_writer.h"
#include "quant/dequantize.h"
#include "unit/gguf/gguf_bytes.h"

namespace flexinfer {
namespace {

std::string read_bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

struct Source {
  std::string name;
  GgmlType type;
  std::vector<uint64_t> dims;
};

// One tensor for every rule, and a matrix of more than one piece.
const std::vector<Source> kSources = {
    {"token_embd.weight", GgmlType::kF16, {256, 6000}},
    {"blk.0.attn_norm.weight", GgmlType::kF16, {256}},
    {"blk.0.attn_q.weight", GgmlType::kF32, {256, 8}},
    {"blk.0.attn_q.bias", GgmlType::kF32, {256}},
    {"blk.0.attn_k.weight", GgmlType::kBF16, {96, 5}},
    {"blk.0.attn_v.weight", GgmlType::kF32, {40, 3}},
    {"blk.0.ffn_gate_inp.weight", GgmlType::kF32, {256, 4}},
    {"blk.0.ffn_down_exps.weight", GgmlType::kF16, {256, 4, 3}},
    {"blk.0.positions", GgmlType::kI32, {32, 2}},
    {"output.weight", GgmlType::kF32, {256, 16}},
};

float weight(size_t index) {
  return static_cast<float>(static_cast<int>(index * 2654435761u % 2001) - 1000) / 700.0f;
}

std::vector<std::byte> bytes_of(const Source& source) {
  size_t n = 1;
  for (const uint64_t dim : source.dims)
    n *= dim;
  std::vector<float> values(n);
  for (size_t i = 0; i < n; ++i)
    values[i] = weight(i + source.name.size());
  std::vector<std::byte> bytes(*row_bytes(source.type, n));
  if (!quantize_row(source.type, values.data(), static_cast<int64_t>(n), bytes.data())) {
    std::memcpy(bytes.data(), values.data(), bytes.size());
  }
  return bytes;
}

class Quantize : public ::testing::Test {
 protected:
  std::string path(std::string_view name) const { return folder_.file(name); }

  std::string write(const std::vector<Source>& sources, uint64_t alignment = 32) const {
    GgufWriter writer(path("source.gguf"), alignment);
    writer.set_text("general.architecture", "llama");
    writer.set_u32("general.file_type", 0);
    writer.set_f32("llama.rope.freq_base", 1234.5f);
    writer.set_texts("tokenizer.ggml.tokens", std::vector<std::string>{"a", "", "\xff"});
    for (const Source& source : sources)
      writer.add_tensor(source.name, source.type, source.dims);
    EXPECT_TRUE(writer.begin_data());
    for (const Source& source : sources)
      EXPECT_TRUE(writer.append(bytes_of(source)));
    EXPECT_TRUE(writer.finish());
    return path("source.gguf");
  }

  QuantizeResult quantize(const std::string& source, const std::string& type, int n_threads = 2) const {
    const auto result = quantize_model(source, path("out.gguf"), type, n_threads, {});
    if (!result) throw std::runtime_error(result.error().message);
    return *result;
  }

  void expect_refusal(const std::string& source, const std::string& type, ErrorCode code) const {
    const auto result = quantize_model(source, path("out.gguf"), type, 2, {});
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().code, code) << result.error().message;
    EXPECT_FALSE(std::filesystem::exists(path("out.gguf")));
    EXPECT_FALSE(std::filesystem::exists(path("out.gguf.partial")));
  }

  TempFolder folder_;
};

std::string tensor_bytes(const std::string& path, const TensorInfo& tensor) {
  return read_bytes(path).substr(tensor.extent.offset, tensor.extent.size);
}

// What quantising the source's rows one by one gives.
std::string expected_bytes(const Source& source, GgmlType type) {
  const std::vector<std::byte> in = bytes_of(source);
  if (type == source.type) return {reinterpret_cast<const char*>(in.data()), in.size()};
  const auto cols = static_cast<int64_t>(source.dims[0]);
  const size_t in_row = *row_bytes(source.type, source.dims[0]);
  const size_t out_row = *row_bytes(type, source.dims[0]);
  std::vector<float> row(source.dims[0]);
  std::string out(in.size() / in_row * out_row, '\0');
  for (size_t r = 0; r < in.size() / in_row; ++r) {
    dequantize_row(source.type, in.data() + r * in_row, cols, row.data());
    EXPECT_TRUE(quantize_row(type, row.data(), cols, reinterpret_cast<std::byte*>(out.data()) + r * out_row));
  }
  return out;
}

TEST_F(Quantize, TensorsHaveOtherTypesOrBytes) {
  using enum GgmlType;
  const std::string source = write(kSources);
  const std::map<std::string, std::vector<GgmlType>> expected = {
      {"Q4_K", {kQ4_K, kF32, kQ4_K, kF32, kQ5_0, kF16, kF32, kQ4_K, kI32, kQ6_K}},
      {"Q5_K", {kQ5_K, kF32, kQ5_K, kF32, kQ5_1, kF16, kF32, kQ5_K, kI32, kQ6_K}},
      {"q6_k", {kQ6_K, kF32, kQ6_K, kF32, kQ8_0, kF16, kF32, kQ6_K, kI32, kQ6_K}},
      {"Q4_0", {kQ4_0, kF32, kQ4_0, kF32, kQ4_0, kF16, kF32, kQ4_0, kI32, kQ6_K}},
      {"Q8_0", {kQ8_0, kF32, kQ8_0, kF32, kQ8_0, kF16, kF32, kQ8_0, kI32, kQ8_0}},
      {"BF16", {kBF16, kF32, kBF16, kF32, kBF16, kBF16, kF32, kBF16, kI32, kBF16}},
      {"F32", {kF32, kF32, kF32, kF32, kF32, kF32, kF32, kF32, kI32, kF32}},
  };
  for (const auto& [type, types] : expected) {
    quantize(source, type);
    const auto file = GgufFile::open(path("out.gguf"));
    ASSERT_TRUE(file) << file.error().message;
    ASSERT_EQ(file->tensors().size(), kSources.size());
    for (size_t i = 0; i < kSources.size(); ++i) {
      const TensorInfo& tensor = file->tensors()[i];
      EXPECT_EQ(tensor.name, kSources[i].name);
      ASSERT_EQ(tensor.type, types[i]) << type << " " << tensor.name;
      EXPECT_EQ(tensor.n_dims, kSources[i].dims.size());
      EXPECT_TRUE(tensor_bytes(path("out.gguf"), tensor) == expected_bytes(kSources[i], types[i]))
          << type << " " << tensor.name;
    }
  }
}

TEST_F(Quantize, FallbacksAndTheHeadAreNotNoted) {
  const std::vector<std::string> notes = quantize(write(kSources), "Q4_K").notes;
  std::string all;
  for (const std::string& note : notes)
    all += note + "\n";
  EXPECT_NE(all.find("Q5_0, because the rows are not whole blocks of Q4_K: 'blk.0.attn_k.weight'"),
            std::string::npos)
      << all;
  EXPECT_NE(all.find("F16, because the rows are not whole blocks of Q4_K: 'blk.0.attn_v.weight'"),
            std::string::npos)
      << all;
  EXPECT_NE(all.find("'output.weight': written in Q6_K"), std::string::npos) << all;
  EXPECT_EQ(notes.size(), 3u) << all;
}

TEST_F(Quantize, TiedEmbeddingIsNotTheHead) {
  quantize(write({{"token_embd.weight", GgmlType::kF32, {256, 4}},
                  {"blk.0.attn_q.weight", GgmlType::kF32, {256, 4}}}),
           "Q4_0");
  const auto file = GgufFile::open(path("out.gguf"));
  ASSERT_TRUE(file);
  EXPECT_EQ(file->tensors()[0].type, GgmlType::kQ6_K);
  EXPECT_EQ(file->tensors()[1].type, GgmlType::kQ4_0);
}

TEST_F(Quantize, BytesDependOnTheThreads) {
  const std::string source = write(kSources);
  quantize(source, "Q4_K", 1);
  const std::string expected = read_bytes(path("out.gguf"));
  for (const int n_threads : {2, 3, 7}) {
    quantize(source, "Q4_K", n_threads);
    EXPECT_TRUE(read_bytes(path("out.gguf")) == expected) << n_threads;
  }
}

TEST_F(Quantize, MetadataIsLostOrStale) {
  quantize(write(kSources, 64), "Q4_0");
  const auto file = GgufFile::open(path("out.gguf"));
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->alignment(), 64u);
  const Metadata& metadata = file->metadata();
  EXPECT_EQ(**metadata.text("general.architecture"), "llama");
  EXPECT_EQ(metadata.unsigned_number("general.file_type").value(), 2u);
  EXPECT_EQ(metadata.unsigned_number("general.quantization_version").value(), 2u);
  EXPECT_EQ(metadata.number("llama.rope.freq_base").value(), 1234.5);
  const StringList& tokens = **metadata.texts("tokenizer.ggml.tokens");
  ASSERT_EQ(tokens.size(), 3u);
  EXPECT_EQ(tokens[2], "\xff");
}

// Kinds of values that this project's own writer does not make.
TEST_F(Quantize, UnusualMetadataIsChanged) {
  GgufBytes bytes;
  bytes.header(1, 4).pair<uint8_t>("a", kWireUint8, 7).pair<int64_t>("b", kWireInt64, -5);
  bytes.array("c", kWireBool, 2).number<uint8_t>(1).number<uint8_t>(0);
  bytes.array("d", kWireArray, 1).number<uint32_t>(kWireUint16).number<uint64_t>(1).number<uint16_t>(9);
  const std::string pairs = bytes.bytes().substr(24);
  bytes.tensor("x.weight", {32, 2}, 0, 0).pad(32).data(256);
  write_file(path("odd.gguf"), bytes.bytes());
  quantize(path("odd.gguf"), "BF16");
  EXPECT_EQ(read_bytes(path("out.gguf")).substr(24, pairs.size()), pairs);
}

TEST_F(Quantize, SplitModelIsNotPutTogether) {
  const auto part = [](uint16_t number, std::string_view tensor) {
    GgufBytes bytes;
    bytes.header(1, 2)
        .pair<uint16_t>("split.no", kWireUint16, number)
        .pair<uint16_t>("split.count", kWireUint16, 2);
    bytes.tensor(tensor, {32, 1}, 0, 0).pad(32);
    for (int i = 0; i < 32; ++i)
      bytes.number(static_cast<float>(number + i));
    return bytes.bytes();
  };
  write_file(path("m-00001-of-00002.gguf"), part(0, "a.weight"));
  write_file(path("m-00002-of-00002.gguf"), part(1, "b.weight"));
  quantize(path("m-00001-of-00002.gguf"), "F16");
  const auto file = GgufFile::open(path("out.gguf"));
  ASSERT_TRUE(file) << file.error().message;
  ASSERT_EQ(file->tensors().size(), 2u);
  EXPECT_EQ(file->metadata().find("split.count"), nullptr);
  uint16_t first = 0;
  std::memcpy(&first, tensor_bytes(path("out.gguf"), file->tensors()[1]).data(), sizeof first);
  EXPECT_EQ(half_to_float(first), 1.0f);
}

TEST_F(Quantize, WhatCannotBeDoneLeavesAFileBehind) {
  const std::string source = write(kSources);
  expect_refusal(source, "Q9_X", ErrorCode::kUsage);
  expect_refusal(source, "Q2_K", ErrorCode::kUsage);
  expect_refusal(path("absent.gguf"), "Q8_0", ErrorCode::kIo);
  expect_refusal(write({{"a.weight", GgmlType::kI32, {32, 2}}}), "Q8_0", ErrorCode::kUnsupported);
}

TEST_F(Quantize, CancellingLeavesAFileBehind) {
  const std::string source = write(kSources);
  const auto result =
      quantize_model(source, path("out.gguf"), "Q8_0", 2, [](uint64_t done, uint64_t) { return done == 0; });
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, ErrorCode::kCancelled);
  EXPECT_FALSE(std::filesystem::exists(path("out.gguf")));
  EXPECT_FALSE(std::filesystem::exists(path("out.gguf.partial")));
}

TEST_F(Quantize, WeightsThatATypeCannotHoldAreWritten) {
  for (const float odd :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 1e5f}) {
    GgufBytes bytes;
    bytes.header(1, 0).tensor("x.weight", {32, 1}, 0, 0).pad(32);
    for (int i = 0; i < 32; ++i)
      bytes.number(i == 9 ? odd : 1.0f);
    write_file(path("odd.gguf"), bytes.bytes());
    expect_refusal(path("odd.gguf"), "Q8_0", ErrorCode::kCorrupt);
    expect_refusal(path("odd.gguf"), "F16", ErrorCode::kCorrupt);
  }
  quantize(path("odd.gguf"), "BF16");
}

}  // namespace
}  // namespace flexinfer
