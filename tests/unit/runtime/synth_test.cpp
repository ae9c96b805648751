#include "runtime/synth.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <vector>

#include "gguf/gguf_file.h"
#include "quant/dequantize.h"
#include "runtime/random_weights.h"
#include "runtime/synth_vocabulary.h"

namespace flexinfer {
namespace {

constexpr GgmlType kTypes[] = {GgmlType::kF32,  GgmlType::kF16,    GgmlType::kBF16,   GgmlType::kQ4_0,
                               GgmlType::kQ4_1, GgmlType::kQ5_0,   GgmlType::kQ5_1,   GgmlType::kQ8_0,
                               GgmlType::kQ2_K, GgmlType::kQ3_K,   GgmlType::kQ4_K,   GgmlType::kQ5_K,
                               GgmlType::kQ6_K, GgmlType::kIQ4_NL, GgmlType::kIQ4_XS, GgmlType::kMXFP4};

const auto kNoProgress = [](uint64_t, uint64_t) { return true; };

class SynthModel : public testing::Test {
 protected:
  SynthModel() {
    std::string name = testing::TempDir() + "flexinfer-synth-XXXXXX";
    EXPECT_NE(::mkdtemp(name.data()), nullptr) << name;
    folder_ = name;
  }
  ~SynthModel() override { std::filesystem::remove_all(folder_); }

  std::string path(std::string_view name) const { return folder_ / name; }
  std::string write(GgmlType type, uint64_t seed, std::string_view name = "m.gguf") const {
    const Status status =
        write_synthetic_model(*find_synth_shape("tiny"), type, path(name), seed, kNoProgress);
    EXPECT_TRUE(status) << status.error().message;
    return path(name);
  }
  bool folder_is_empty() const { return std::filesystem::is_empty(folder_); }

 private:
  std::filesystem::path folder_;
};

std::string contents(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(SynthShape, HasAsManyParametersAsTheRealModel) {
  const std::pair<const char*, uint64_t> known[] = {
      {"smollm-135m", 134'515'008},      {"tinyllama-1.1b", 1'100'048'384}, {"llama2-7b", 6'738'415'616},
      {"mistral-7b", 7'241'732'096},     {"llama3-8b", 8'030'261'248},      {"llama2-13b", 13'015'864'320},
      {"codellama-34b", 33'743'970'304}, {"llama2-70b", 68'976'648'192},    {"mixtral-8x7b", 46'702'792'704},
      {"qwen3-30b-a3b", 30'532'122'624}, {"qwen2.5-0.5b", 494'032'768},     {"qwen2.5-7b", 7'615'616'512},
      {"gemma2-2b", 2'614'341'888},      {"gemma2-9b", 9'241'705'984},      {"gemma3-1b", 999'885'952},
      {"gemma3-4b", 3'880'263'168},      {"phi3-mini-3.8b", 3'821'079'552}, {"phi4-14b", 14'659'507'200},
      {"gpt-oss-20b", 20'914'757'184},   {"gpt-oss-120b", 116'829'156'672}};
  for (const auto& [name, n_parameters] : known) {
    const SynthShape* shape = find_synth_shape(name);
    ASSERT_NE(shape, nullptr) << name;
    EXPECT_EQ(shape->n_parameters(), n_parameters) << name;
  }
  const auto is_tiny = [](const SynthShape& shape) {
    return shape.name.starts_with("tiny-") || shape.name == "tiny";
  };
  EXPECT_EQ(synth_shapes().size(), std::size(known) + std::ranges::count_if(synth_shapes(), is_tiny));
  EXPECT_EQ(find_synth_shape("llama2"), nullptr);
}

TEST(SynthShape, HeadsDivideTheirDimensions) {
  for (const SynthShape& shape : synth_shapes()) {
    if (shape.own_head_dim == 0) {
      EXPECT_EQ(shape.hidden_dim % shape.n_heads, 0u) << shape.name;
    }
    EXPECT_EQ(shape.n_heads % shape.n_kv_heads, 0u) << shape.name;
    EXPECT_EQ(shape.head_dim() % 2, 0u) << shape.name;
  }
}

TEST(SynthVocabulary, TokensAreDistinctAndAsManyAsAsked) {
  for (const uint64_t n_tokens : {512u, 128256u}) {
    const SynthVocabulary vocabulary = make_synth_vocabulary(n_tokens);
    EXPECT_EQ(vocabulary.tokens.size(), n_tokens);
    EXPECT_EQ(vocabulary.scores.size(), n_tokens);
    EXPECT_EQ(vocabulary.types.size(), n_tokens);
    EXPECT_EQ(std::set(vocabulary.tokens.begin(), vocabulary.tokens.end()).size(), n_tokens);
    EXPECT_EQ(vocabulary.tokens[kSynthBegin], "<s>");
    EXPECT_EQ(vocabulary.tokens[3 + 0xAF], "<0xAF>");
  }
}

TEST_F(SynthModel, OpensWithTheShapeItWasGiven) {
  const SynthShape& shape = *find_synth_shape("tiny");
  for (const GgmlType type : kTypes) {
    const auto file = GgufFile::open(write(type, 1));
    ASSERT_TRUE(file) << file.error().message;
    const Metadata& metadata = file->metadata();
    EXPECT_EQ(*metadata.text("general.architecture").value(), "llama");
    EXPECT_EQ(metadata.unsigned_number("llama.block_count")->value(), shape.n_layers);
    EXPECT_EQ(metadata.unsigned_number("llama.attention.head_count_kv")->value(), shape.n_kv_heads);
    EXPECT_EQ(metadata.number("llama.rope.freq_base")->value(), 10000);
    EXPECT_EQ(metadata.texts("tokenizer.ggml.tokens").value()->size(), shape.vocab_size);
    EXPECT_EQ(file->tensors().front().name, "token_embd.weight");
    EXPECT_EQ(file->tensors().back().name, "output.weight");
    ASSERT_EQ(file->tensors().size(), 3 + 9 * shape.n_layers);
    for (const TensorInfo& tensor : file->tensors()) {
      EXPECT_EQ(tensor.type, tensor.n_dims == 1 ? GgmlType::kF32 : type) << tensor.name;
    }
    const TensorInfo* key = file->find_tensor("blk.3.attn_k.weight");
    ASSERT_NE(key, nullptr);
    EXPECT_EQ(key->cols(), 256u);
    EXPECT_EQ(key->rows(), 128u);
  }
}

// The layers keep the size of what passes through them only if every matrix has this deviation and no mean.
TEST_F(SynthModel, WeightsHaveTheRightDeviationAndNoMean) {
  for (const GgmlType type : kTypes) {
    const std::string bytes = contents(write(type, 2));
    const auto file = GgufFile::open(path("m.gguf"));
    ASSERT_TRUE(file) << file.error().message;
    for (const SynthTensor& expected : synth_tensors(*find_synth_shape("tiny"), type)) {
      if (expected.deviation == 0) continue;
      const TensorInfo& tensor = *file->find_tensor(expected.name);
      const auto cols = static_cast<int64_t>(tensor.cols());
      std::vector<float> row(tensor.cols());
      double sum = 0;
      double squares = 0;
      for (uint64_t i = 0; i < tensor.rows(); ++i) {
        const char* begin = bytes.data() + tensor.extent.offset + i * row_bytes(type, tensor.cols()).value();
        dequantize_row(type, reinterpret_cast<const std::byte*>(begin), cols, row.data());
        for (const float weight : row) {
          sum += weight;
          squares += static_cast<double>(weight) * weight;
        }
      }
      const auto n = static_cast<double>(expected.n_parameters());
      SCOPED_TRACE(fmt::format("{} in {}", expected.name, ggml_type_info(type).name));
      EXPECT_NEAR(std::sqrt(squares / n) / expected.deviation, 1, 0.07);
      EXPECT_NEAR(sum / n / expected.deviation, 0, 0.03);
    }
  }
}

TEST_F(SynthModel, NormsAreOnes) {
  const std::string bytes = contents(write(GgmlType::kQ4_0, 1));
  const auto file = GgufFile::open(path("m.gguf"));
  ASSERT_TRUE(file) << file.error().message;
  const Extent extent = file->find_tensor("output_norm.weight")->extent;
  for (uint64_t at = extent.offset; at < extent.end(); at += sizeof(float)) {
    float weight = 0;
    std::memcpy(&weight, bytes.data() + at, sizeof(weight));
    ASSERT_EQ(weight, 1.0f);
  }
}

TEST_F(SynthModel, TheSameSeedGivesTheSameBytes) {
  const std::string first = contents(write(GgmlType::kQ4_0, 7, "a.gguf"));
  EXPECT_EQ(first, contents(write(GgmlType::kQ4_0, 7, "b.gguf")));
  EXPECT_NE(first, contents(write(GgmlType::kQ4_0, 8, "c.gguf")));
}

// Two blocks as a few lines of Python make them from the definitions of SplitMix64, FNV-1a and Q4_0.
TEST(RandomWeights, AreTheSameOnEveryMachine) {
  constexpr std::array<uint8_t, 36> kExpected = {0x64, 0x32, 0x19, 0x3e, 0xfc, 0x7e, 0xb1, 0xee, 0x9d,
                                                 0xb5, 0xb9, 0xad, 0xdc, 0x08, 0xef, 0xd9, 0x1a, 0x64,
                                                 0x0c, 0xb1, 0x4b, 0xc5, 0x81, 0x7d, 0xa6, 0x26, 0x5f,
                                                 0xec, 0x0a, 0x93, 0xde, 0xd5, 0xe2, 0x6c, 0xdd, 0x37};
  std::array<uint64_t, 5> words{};
  RandomWeights(GgmlType::kQ4_0, 1.0, 7, "token_embd.weight")
      .fill(0, std::as_writable_bytes(std::span(words)).first(kExpected.size()));
  EXPECT_EQ(std::memcmp(words.data(), kExpected.data(), kExpected.size()), 0);
}

TEST(RandomWeights, DoNotDependOnHowATensorIsCut) {
  for (const GgmlType type : kTypes) {
    const RandomWeights weights(type, 0.1, 3, "w");
    const uint64_t unit = weights.unit_bytes();
    const uint64_t size = 9 * unit + ggml_type_info(type).block_bytes;
    std::vector<uint64_t> whole(size / 8 + 1);
    std::vector<uint64_t> pieces(size / 8 + 1);
    const auto bytes = std::as_writable_bytes(std::span(pieces)).first(size);
    weights.fill(0, std::as_writable_bytes(std::span(whole)).first(size));
    for (uint64_t at = 0, n = unit; at < size; at += n, n = 2 * unit) {
      weights.fill(at, bytes.subspan(at, std::min(n, size - at)));
    }
    EXPECT_EQ(whole, pieces) << ggml_type_info(type).name;
  }
}

TEST(RandomWeights, DifferFromTensorToTensor) {
  std::vector<uint64_t> a(18);
  std::vector<uint64_t> b(18);
  RandomWeights(GgmlType::kQ4_0, 1.0, 7, "a").fill(0, std::as_writable_bytes(std::span(a)));
  RandomWeights(GgmlType::kQ4_0, 1.0, 7, "b").fill(0, std::as_writable_bytes(std::span(b)));
  EXPECT_NE(a, b);
}

TEST_F(SynthModel, CancellingLeavesNothing) {
  uint64_t n_calls = 0;
  const auto cancel = [&](uint64_t done_bytes, uint64_t total_bytes) {
    EXPECT_LT(done_bytes, total_bytes);
    return ++n_calls < 3;
  };
  const Status status =
      write_synthetic_model(*find_synth_shape("tiny"), GgmlType::kF16, path("m.gguf"), 1, cancel);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kCancelled);
  EXPECT_EQ(n_calls, 3u);
  EXPECT_TRUE(folder_is_empty());
}

TEST_F(SynthModel, ProgressEndsWithAllBytes) {
  uint64_t last_done = 0;
  uint64_t last_total = 1;
  const auto note = [&](uint64_t done_bytes, uint64_t total_bytes) {
    EXPECT_GT(done_bytes, last_done);
    last_done = done_bytes;
    last_total = total_bytes;
    return true;
  };
  ASSERT_TRUE(write_synthetic_model(*find_synth_shape("tiny"), GgmlType::kQ8_0, path("m.gguf"), 1, note));
  EXPECT_EQ(last_done, last_total);
  EXPECT_EQ(last_total, GgufFile::open(path("m.gguf"))->tensor_bytes());
}

TEST_F(SynthModel, RefusesATypeThatTheRowsDoNotFit) {
  const Status status = write_synthetic_model(*find_synth_shape("smollm-135m"), GgmlType::kQ4_K,
                                              path("m.gguf"), 1, kNoProgress);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kUsage);
  EXPECT_NE(status.error().message.find("576 elements"), std::string::npos) << status.error().message;
  EXPECT_TRUE(folder_is_empty());
}

TEST_F(SynthModel, RefusesATypeWithoutWeights) {
  const Status status =
      write_synthetic_model(*find_synth_shape("tiny"), GgmlType::kIQ2_XS, path("m.gguf"), 1, kNoProgress);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kUsage);
  EXPECT_NE(status.error().message.find("IQ2_XS"), std::string::npos) << status.error().message;
}

}  // namespace
}  // namespace flexinfer
