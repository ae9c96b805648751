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

// Whether quantize_row makes the type, and how.
enum class Quantiser { kNone, kExact, kSearching };

struct Vector {
  GgmlType type;
  const char* file;
  Quantiser quantiser;
};

constexpr std::array kVectors = {
    Vector{GgmlType::kF16, "f16", Quantiser::kExact},
    Vector{GgmlType::kBF16, "bf16", Quantiser::kExact},
    Vector{GgmlType::kQ8_0, "q8_0", Quantiser::kExact},
    Vector{GgmlType::kQ4_0, "q4_0", Quantiser::kExact},
    Vector{GgmlType::kQ4_1, "q4_1", Quantiser::kExact},
    Vector{GgmlType::kQ5_0, "q5_0", Quantiser::kExact},
    Vector{GgmlType::kQ5_1, "q5_1", Quantiser::kExact},
    Vector{GgmlType::kQ2_K, "q2_K", Quantiser::kNone},
    Vector{GgmlType::kQ3_K, "q3_K", Quantiser::kNone},
    Vector{GgmlType::kQ4_K, "q4_K", Quantiser::kSearching},
    Vector{GgmlType::kQ5_K, "q5_K", Quantiser::kSearching},
    Vector{GgmlType::kQ6_K, "q6_K", Quantiser::kSearching},
    Vector{GgmlType::kIQ4_NL, "iq4_nl", Quantiser::kNone},
    Vector{GgmlType::kIQ4_XS, "iq4_xs", Quantiser::kNone},
    Vector{GgmlType::kMXFP4, "mxfp4", Quantiser::kNone},
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

TEST_P(QuantReference, QuantizesToOtherBytes) {
  if (GetParam().quantiser != Quantiser::kExact) return;
  const std::vector<float> input = read_floats("input.f32");
  const std::vector<std::byte> expected = read_data(std::string(GetParam().file) + ".bin");
  std::vector<std::byte> row(row_size(), std::byte{0xa5});
  for (int64_t r = 0; r < kRows; r++) {
    ASSERT_TRUE(quantize_row(GetParam().type, input.data() + r * kCols, kCols, row.data()));
    for (size_t i = 0; i < row.size(); i++) {
      ASSERT_EQ(row[i], expected[static_cast<size_t>(r) * row_size() + i]) << "row " << r << ", byte " << i;
    }
  }
}

TEST_P(QuantReference, WritesTypesThatItDoesNotKnow) {
  const bool known = GetParam().quantiser != Quantiser::kNone;
  const std::vector<float> input = read_floats("input.f32");
  std::vector<std::byte> row(row_size(), std::byte{0xa5});
  const std::vector<std::byte> untouched = row;
  EXPECT_EQ(is_quantizable(GetParam().type), known);
  EXPECT_EQ(quantize_row(GetParam().type, input.data(), kCols, row.data()), known);
  EXPECT_EQ(row == untouched, !known);
}

double square_error(const float* a, const float* b) {
  double sum = 0;
  for (int64_t i = 0; i < kCols; i++)
    sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

TEST_P(QuantReference, MissesMoreThanTheReferenceDoes) {
  if (GetParam().quantiser != Quantiser::kSearching) return;
  const std::vector<float> input = read_floats("input.f32");
  const std::vector<float> reference = read_floats(std::string(GetParam().file) + ".f32");
  std::vector<std::byte> row(row_size());
  std::vector<float> back(kCols);
  for (int64_t r = 0; r < kRows; r++) {
    const float* in = input.data() + r * kCols;
    ASSERT_TRUE(quantize_row(GetParam().type, in, kCols, row.data()));
    dequantize_row(GetParam().type, row.data(), kCols, back.data());
    EXPECT_LE(square_error(back.data(), in), square_error(reference.data() + r * kCols, in)) << "row " << r;
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

// Blocks without any weight but zero, with one alone, with one sign, and too small for a half.
TEST(Quant, SpoilsUnusualSuperBlocks) {
  for (GgmlType type : {GgmlType::kQ4_K, GgmlType::kQ5_K, GgmlType::kQ6_K}) {
    for (float level : {0.0f, 1.0f, -1.0f, 1e-12f, -60000.0f}) {
      std::vector<float> input(512, level);
      input[7] = 0;
      input[300] = level / 2;
      std::vector<std::byte> row(static_cast<size_t>(*row_bytes(type, 512)));
      ASSERT_TRUE(quantize_row(type, input.data(), 512, row.data()));
      std::vector<float> back(512);
      dequantize_row(type, row.data(), 512, back.data());
      for (size_t i = 0; i < input.size(); i++)
        EXPECT_NEAR(back[i], input[i], std::fabs(level) / 16 + 1e-11f)
            << ggml_type_info(type).name << " " << level;
    }
  }
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
