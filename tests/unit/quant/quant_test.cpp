// Against blocks made and expanded by ggml's reference (tests/data/quant).
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>
#include <vector>

#include "quant/dequantize.h"
#include "support/paths.h"

namespace flexinfer {
namespace {

constexpr int64_t kRows = 4;
constexpr int64_t kCols = 1024;

struct Vector {
  GgmlType type;
  const char* file;
  bool has_quantiser;
};

constexpr std::array kVectors = {
    Vector{GgmlType::kF16, "f16", true},        Vector{GgmlType::kBF16, "bf16", true},
    Vector{GgmlType::kQ8_0, "q8_0", true},      Vector{GgmlType::kQ4_0, "q4_0", true},
    Vector{GgmlType::kQ4_1, "q4_1", true},      Vector{GgmlType::kQ5_0, "q5_0", true},
    Vector{GgmlType::kQ5_1, "q5_1", true},      Vector{GgmlType::kQ2_K, "q2_K", false},
    Vector{GgmlType::kQ3_K, "q3_K", false},     Vector{GgmlType::kQ4_K, "q4_K", false},
    Vector{GgmlType::kQ5_K, "q5_K", false},     Vector{GgmlType::kQ6_K, "q6_K", false},
    Vector{GgmlType::kIQ4_NL, "iq4_nl", false}, Vector{GgmlType::kIQ4_XS, "iq4_xs", false},
    Vector{GgmlType::kMXFP4, "mxfp4", false},
};

std::vector<std::byte> read_data(const std::string& name) {
  std::ifstream file(testing::test_data("quant/") + name, std::ios::binary);
  EXPECT_TRUE(file) << name;
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  std::vector<std::byte> bytes(text.size());
  std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

std::vector<float> read_floats(const std::string& name) {
  const std::vector<std::byte> bytes = read_data(name);
  std::vector<float> floats(bytes.size() / sizeof(float));
  std::memcpy(floats.data(), bytes.data(), floats.size() * sizeof(float));
  EXPECT_EQ(floats.size(), static_cast<size_t>(kRows * kCols)) << name;
  return floats;
}

class QuantReference : public ::testing::TestWithParam<Vector> {
 protected:
  size_t row_size() const { return static_cast<size_t>(*row_bytes(GetParam().type, kCols)); }
};

TEST_P(QuantReference, DequantizesToTheSameBits) {
  const std::vector<std::byte> blocks = read_data(std::string(GetParam().file) + ".bin");
  const std::vector<float> expected = read_floats(std::string(GetParam().file) + ".f32");
  ASSERT_EQ(blocks.size(), row_size() * kRows);
  std::vector<float> row(kCols);
  for (int64_t r = 0; r < kRows; r++) {
    dequantize_row(GetParam().type, blocks.data() + static_cast<size_t>(r) * row_size(), kCols, row.data());
    for (int64_t i = 0; i < kCols; i++) {
      ASSERT_EQ(std::bit_cast<uint32_t>(row[i]), std::bit_cast<uint32_t>(expected[r * kCols + i]))
          << "row " << r << ", element " << i;
    }
  }
}

TEST_P(QuantReference, DequantizesARowAtAnOddAddress) {
  const std::vector<std::byte> blocks = read_data(std::string(GetParam().file) + ".bin");
  const std::vector<float> expected = read_floats(std::string(GetParam().file) + ".f32");
  std::vector<std::byte> shifted(row_size() + 1);
  std::memcpy(shifted.data() + 1, blocks.data(), row_size());
  std::vector<float> row(kCols);
  dequantize_row(GetParam().type, shifted.data() + 1, kCols, row.data());
  EXPECT_EQ(std::memcmp(row.data(), expected.data(), kCols * sizeof(float)), 0);
}

TEST_P(QuantReference, QuantizesToTheSameBytes) {
  const std::vector<float> input = read_floats("input.f32");
  const std::vector<std::byte> expected = read_data(std::string(GetParam().file) + ".bin");
  std::vector<std::byte> row(row_size(), std::byte{0xa5});
  const std::vector<std::byte> untouched = row;
  for (int64_t r = 0; r < kRows; r++) {
    ASSERT_EQ(quantize_row(GetParam().type, input.data() + r * kCols, kCols, row.data()),
              GetParam().has_quantiser);
    if (!GetParam().has_quantiser) {
      EXPECT_EQ(row, untouched);
      continue;
    }
    for (size_t i = 0; i < row.size(); i++) {
      ASSERT_EQ(row[i], expected[static_cast<size_t>(r) * row_size() + i]) << "row " << r << ", byte " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, QuantReference, ::testing::ValuesIn(kVectors),
                         [](const auto& test) { return std::string(test.param.file); });

TEST(Quant, KnowsWhichTypesItComputes) {
  for (const Vector& vector : kVectors)
    EXPECT_TRUE(is_computable(vector.type)) << vector.file;
  EXPECT_TRUE(is_computable(GgmlType::kF32));
  for (GgmlType type :
       {GgmlType::kF64, GgmlType::kI32, GgmlType::kQ8_K, GgmlType::kIQ3_S, GgmlType::kNVFP4}) {
    EXPECT_FALSE(is_computable(type)) << ggml_type_info(type).name;
  }
}

TEST(Quant, ReachesEveryPowerOfTwoOfMxfp4) {
  for (int e = 0; e < 256; e++) {
    std::array<std::byte, 17> block;
    block.fill(std::byte{0x11});  // a half as four bits of float
    block[0] = static_cast<std::byte>(e);
    std::array<float, 32> out;
    dequantize_row(GgmlType::kMXFP4, block.data(), 32, out.data());
    EXPECT_EQ(out[0], std::ldexp(1.0, e - 128)) << e;
  }
}

TEST(Quant, KeepsFloatsAsTheyAre) {
  const std::vector<float> input = read_floats("input.f32");
  std::vector<std::byte> row(kCols * sizeof(float));
  std::vector<float> back(kCols);
  ASSERT_TRUE(quantize_row(GgmlType::kF32, input.data(), kCols, row.data()));
  dequantize_row(GgmlType::kF32, row.data(), kCols, back.data());
  EXPECT_EQ(std::memcmp(back.data(), input.data(), row.size()), 0);
}

// A scale too small to invert, or no number at all, must neither trap nor spoil a neighbouring block.
TEST(Quant, SurvivesBlocksWithoutAUsableScale) {
  constexpr float kTiny = std::numeric_limits<float>::denorm_min();
  constexpr float kInf = std::numeric_limits<float>::infinity();
  for (GgmlType type :
       {GgmlType::kQ8_0, GgmlType::kQ4_0, GgmlType::kQ4_1, GgmlType::kQ5_0, GgmlType::kQ5_1}) {
    for (float odd : {kTiny * 300, -kTiny * 300, kInf, -kInf, std::numeric_limits<float>::quiet_NaN()}) {
      std::vector<float> input(64, 1.0f);
      std::fill_n(input.begin(), 32, 0.0f);
      input[5] = odd;
      std::vector<std::byte> row(static_cast<size_t>(*row_bytes(type, 64)));
      ASSERT_TRUE(quantize_row(type, input.data(), 64, row.data()));
      std::vector<float> back(64);
      dequantize_row(type, row.data(), 64, back.data());
      for (size_t i = 32; i < 64; i++)
        EXPECT_NEAR(back[i], 1.0f, 1e-3f) << ggml_type_info(type).name;
    }
  }
}

}  // namespace
}  // namespace flexinfer
