// The quantised products on weights that no quantiser writes, on activations at their limits, and between
// instruction sets.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <functional>
#include <memory>
#include <tuple>

#include "kernels/interleave.h"
#include "quant/dequantize.h"
#include "quant/unpack.h"
#include "unit/kernels/kernel_fixture.h"

namespace flexinfer {
namespace {

constexpr std::array kTypes = {
    GgmlType::kQ8_0,   GgmlType::kQ4_0,   GgmlType::kQ4_1,  GgmlType::kQ5_0, GgmlType::kQ5_1,
    GgmlType::kQ2_K,   GgmlType::kQ3_K,   GgmlType::kQ4_K,  GgmlType::kQ5_K, GgmlType::kQ6_K,
    GgmlType::kIQ4_NL, GgmlType::kIQ4_XS, GgmlType::kMXFP4,
};

// Calls fn(block) with a block of the type, uninitialised.
template <class Fn>
void with_block_of(GgmlType type, Fn fn) {
  switch (type) {
    case GgmlType::kQ4_0:
      return fn(BlockQ4_0());
    case GgmlType::kQ4_1:
      return fn(BlockQ4_1());
    case GgmlType::kQ5_0:
      return fn(BlockQ5_0());
    case GgmlType::kQ5_1:
      return fn(BlockQ5_1());
    case GgmlType::kQ8_0:
      return fn(BlockQ8_0());
    case GgmlType::kQ2_K:
      return fn(BlockQ2_K());
    case GgmlType::kQ3_K:
      return fn(BlockQ3_K());
    case GgmlType::kQ4_K:
      return fn(BlockQ4_K());
    case GgmlType::kQ5_K:
      return fn(BlockQ5_K());
    case GgmlType::kQ6_K:
      return fn(BlockQ6_K());
    case GgmlType::kIQ4_NL:
      return fn(BlockIQ4_NL());
    case GgmlType::kIQ4_XS:
      return fn(BlockIQ4_XS());
    case GgmlType::kMXFP4:
      return fn(BlockMXFP4());
    default:
      FAIL() << "no blocks of " << ggml_type_info(type).name;
  }
}

// A matrix and activations made byte by byte. Scales are halves that next_scale gives, so that they are
// finite.
class QuantisedProduct {
 public:
  using NextByte = std::function<int()>;
  using NextScale = std::function<float()>;

  QuantisedProduct(GgmlType type, int64_t n_rows, int64_t cols, int64_t n_tokens)
      : type_(type), n_rows_(n_rows), cols_(cols), n_tokens_(n_tokens) {
    row_bytes_ = static_cast<size_t>(*row_bytes(type, static_cast<uint64_t>(cols)));
    weights_.resize(row_bytes_ * static_cast<size_t>(n_rows));
    token_bytes_ = q8_row_bytes(static_cast<size_t>(cols));
    activations_ = std::make_unique<Line[]>(token_bytes_ * static_cast<size_t>(n_tokens) / sizeof(Line));
  }

  void fill_weights(const NextByte& next_byte, const NextScale& next_scale) {
    std::generate(weights_.begin(), weights_.end(), [&] { return static_cast<std::byte>(next_byte()); });
    with_block_of(type_, [&](auto block) {
      for (size_t at = 0; at < weights_.size(); at += sizeof block) {
        std::memcpy(&block, &weights_[at], sizeof block);
        if constexpr (requires { block.d; }) block.d = float_to_half(next_scale());
        if constexpr (requires { block.e; }) block.e = exponent_byte(next_scale());
        if constexpr (requires { block.dmin; }) block.dmin = float_to_half(next_scale());
        if constexpr (requires { block.m; }) block.m = float_to_half(next_scale());
        std::memcpy(&weights_[at], &block, sizeof block);
      }
    });
  }

  void fill_activations(const NextByte& next_value, const NextScale& next_scale) {
    for (int64_t t = 0; t < n_tokens_; t++) {
      const Q8Row row = q8_row_at(token(t), static_cast<size_t>(cols_));
      for (int64_t i = 0; i < cols_; i++) {
        row.values[i] = static_cast<int8_t>(next_value());
        row.sums[i / kActivationSumBlock] = static_cast<int16_t>(
            (i % kActivationSumBlock == 0 ? 0 : row.sums[i / kActivationSumBlock]) + row.values[i]);
      }
      std::generate_n(row.scales, cols_ / kActivationBlock, next_scale);
    }
  }

  // Those of the first token.
  void quantise_activations(const KernelTable& kernels, const std::vector<float>& values) {
    kernels.quantise_row(values.data(), cols_, q8_row_at(token(0), static_cast<size_t>(cols_)));
  }
  float step(size_t i) const {
    return q8_row_at(token(0), static_cast<size_t>(cols_)).scales[i / kActivationBlock];
  }

  std::vector<float> weight_row(int64_t r) const {
    std::vector<float> weights(static_cast<size_t>(cols_));
    dequantize_row(type_, &weights_[static_cast<size_t>(r) * row_bytes_], cols_, weights.data());
    return weights;
  }

  std::vector<float> multiply(const KernelTable& kernels) const {
    return multiply_tokens(kernels, 0, n_tokens_);
  }

  std::vector<float> multiply_tokens(const KernelTable& kernels, int64_t first, int64_t n) const {
    std::vector<float> out(static_cast<size_t>(n * n_rows_));
    kernels.find_matmul(type_)({.weights = weights_.data(),
                                .row_bytes = row_bytes_,
                                .n_rows = n_rows_,
                                .cols = cols_,
                                .activations = token(first),
                                .activation_bytes = token_bytes_,
                                .n_tokens = n,
                                .out = out.data(),
                                .out_stride = n_rows_,
                                .layout = layout_});
    return out;
  }

  // Lays the whole panels of the rows out as the table likes them.
  void interleave_for(const KernelTable& kernels) {
    const size_t panel_bytes = static_cast<size_t>(kernels.panel_rows) * row_bytes_;
    const std::vector<std::byte> stored = weights_;
    for (size_t at = 0; at + panel_bytes <= weights_.size(); at += panel_bytes)
      interleave_rows(type_, &stored[at], row_bytes_, kernels.panel_rows, &weights_[at]);
    layout_ = RowLayout::kInterleaved;
  }

  // A float is off by some roundings of what it was summed from, which may be far more than its own size:
  // scales times integers, and minimums.
  void expect_close(const std::vector<float>& out) const {
    for (int64_t r = 0; r < n_rows_; r++) {
      const std::vector<float> weights = weight_row(r);
      const std::vector<double> magnitudes =
          summand_magnitudes(&weights_[static_cast<size_t>(r) * row_bytes_]);
      for (int64_t t = 0; t < n_tokens_; t++) {
        double expected = 0;
        double magnitude = 0;
        for (size_t i = 0; i < weights.size(); i++) {
          const double x = activation(t, i);
          expected += weights[i] * x;
          magnitude += magnitudes[i] * std::abs(x);
        }
        ASSERT_NEAR(out[static_cast<size_t>(t * n_rows_ + r)], expected, 1e-6 * magnitude)
            << "row " << r << ", token " << t;
      }
    }
  }

 private:
  struct alignas(64) Line {
    std::byte bytes[64];
  };

  // That of the power of two next to a scale.
  static uint8_t exponent_byte(float scale) {
    return static_cast<uint8_t>(128 + (scale == 0 ? -128 : std::ilogb(scale)));
  }

  std::byte* token(int64_t t) const {
    return activations_[static_cast<size_t>(t) * token_bytes_ / sizeof(Line)].bytes;
  }

  double activation(int64_t t, size_t i) const {
    const Q8Row row = q8_row_at(token(t), static_cast<size_t>(cols_));
    return double{row.scales[i / kActivationBlock]} * row.values[i];
  }

  // |scale * integer| + |minimum| of each weight of a row.
  std::vector<double> summand_magnitudes(const std::byte* row) const {
    std::vector<double> magnitudes;
    with_block_of(type_, [&](auto block) {
      using Block = decltype(block);
      WeightGroup groups[Block::kWeights / kWeightGroup];
      for (size_t at = 0; at < row_bytes_; at += sizeof block) {
        std::memcpy(&block, row + at, sizeof block);
        unpack(block, groups);
        for (int i = 0; i < Block::kWeights; i++) {
          const WeightGroup& group = groups[i / kWeightGroup];
          const int s = i % kWeightGroup / Block::kScaleWeights;
          magnitudes.push_back(std::abs(double{group.scales[s]} * group.weights[i % kWeightGroup]) +
                               std::abs(double{group.minimums[s]}));
        }
      }
    });
    return magnitudes;
  }

  GgmlType type_;
  int64_t n_rows_;
  int64_t cols_;
  int64_t n_tokens_;
  size_t row_bytes_;
  size_t token_bytes_;
  RowLayout layout_ = RowLayout::kStored;
  std::vector<std::byte> weights_;
  std::unique_ptr<Line[]> activations_;
};

class QuantisedMatmul : public testing::TestWithParam<std::tuple<const KernelTable*, GgmlType>> {
 protected:
  const KernelTable& kernels() const { return *std::get<0>(GetParam()); }
  GgmlType type() const { return std::get<1>(GetParam()); }

  QuantisedProduct random_product(int64_t n_rows, int64_t n_blocks, int64_t n_tokens) {
    QuantisedProduct product(type(), n_rows, n_blocks * ggml_type_info(type()).block_elements, n_tokens);
    product.fill_weights([&] { return static_cast<int>(random_() & 255); }, [&] { return scale_(random_); });
    product.fill_activations([&] { return value_(random_); }, [&] { return std::abs(scale_(random_)); });
    return product;
  }

  std::mt19937 random_{20250131};
  std::uniform_int_distribution<int> value_{-127, 127};
  std::normal_distribution<float> scale_{0.0f, 0.01f};
};

TEST_P(QuantisedMatmul, TakesAnyBytesAndScalesOfEitherSign) {
  const QuantisedProduct product = random_product(35, 9, 13);
  product.expect_close(product.multiply(kernels()));
}

// The error that 8-bit activations bring: each is off by up to half a step, which is its block's scale.
// Errors of either sign add up like their squares. The recorded property is the root mean square of the
// error, relative to that of the outputs.
TEST_P(QuantisedMatmul, RoundingActivationsCostsNoMoreThanTheirSteps) {
  constexpr int64_t kRows = 32;
  constexpr int64_t kCols = 4096;
  constexpr double kDeviations = 6;
  QuantisedProduct product(type(), kRows, kCols, 1);
  product.fill_weights([&] { return static_cast<int>(random_() & 255); }, [&] { return scale_(random_); });
  const std::vector<float> x = normal_floats(random_, kCols);
  product.quantise_activations(kernels(), x);
  const std::vector<float> out = product.multiply(kernels());
  double squares = 0;
  double error_squares = 0;
  for (int64_t r = 0; r < kRows; r++) {
    const std::vector<float> weights = product.weight_row(r);
    double expected = 0;
    double variance = 0;
    for (size_t i = 0; i < weights.size(); i++) {
      expected += double{weights[i]} * x[i];
      variance += std::pow(weights[i] * product.step(i), 2) / 12;  // of an error anywhere within the step
    }
    const double error = out[static_cast<size_t>(r)] - expected;
    EXPECT_LE(std::abs(error), kDeviations * std::sqrt(variance)) << "row " << r;
    squares += expected * expected;
    error_squares += error * error;
  }
  RecordProperty("relative_error", std::to_string(std::sqrt(error_squares / squares)));
}

TEST_P(QuantisedMatmul, IntegersNeverSaturate) {
  const int64_t cols = 2 * int64_t{ggml_type_info(type()).block_elements};
  for (int byte : {0x00, 0x01, 0x55, 0x7f, 0x80, 0xaa, 0xff}) {
    for (std::array<int, 2> pair : {std::array{127, 127}, std::array{-127, -127}, std::array{127, -127}}) {
      QuantisedProduct product(type(), 17, cols, 3);
      int i = 0;
      product.fill_weights([&] { return byte; }, [] { return 1.0f; });
      product.fill_activations([&] { return pair[static_cast<size_t>(i++ % 2)]; }, [] { return 1.0f; });
      SCOPED_TRACE(testing::Message() << "bytes " << byte << ", values " << pair[0] << " and " << pair[1]);
      ASSERT_NO_FATAL_FAILURE(product.expect_close(product.multiply(kernels())));
    }
  }
}

TEST_P(QuantisedMatmul, ZeroScalesGiveZero) {
  if (type() == GgmlType::kMXFP4) GTEST_SKIP() << "its scales are powers of two";
  QuantisedProduct product(type(), 17, 2 * int64_t{ggml_type_info(type()).block_elements}, 3);
  product.fill_weights([&] { return static_cast<int>(random_() & 255); }, [] { return 0.0f; });
  product.fill_activations([&] { return value_(random_); }, [] { return 1.0f; });
  const std::vector<float> out = product.multiply(kernels());
  EXPECT_TRUE(same_bits(out, std::vector<float>(out.size(), 0.0f)));
}

TEST_P(QuantisedMatmul, EveryInstructionSetGivesTheSameBits) {
  for (int64_t n_rows : {1, 8, 17, 40}) {
    for (int64_t n_tokens : {1, 2, 7, 16}) {
      const QuantisedProduct product = random_product(n_rows, 17, n_tokens);
      ASSERT_TRUE(same_bits(product.multiply(kernels()), product.multiply(*find_kernels("generic"))))
          << n_rows << " rows, " << n_tokens << " tokens";
    }
  }
}

TEST_P(QuantisedMatmul, ALongPromptGivesTheBitsOfItsTokens) {
  constexpr int64_t kTokens = 300;  // more than any table unpacks weights for at once
  constexpr int64_t kRows = 5;
  const QuantisedProduct product = random_product(kRows, 3, kTokens);
  const std::vector<float> whole = product.multiply(kernels());
  for (int64_t t = 0; t < kTokens; t++) {
    ASSERT_TRUE(same_bits({whole.data() + t * kRows, kRows}, product.multiply_tokens(kernels(), t, 1)))
        << "token " << t;
  }
}

TEST_P(QuantisedMatmul, TheLayoutOfRowsChangesNoBits) {
  const int64_t panel = kernels().panel_rows;
  if (panel == 0) GTEST_SKIP() << "rows stay as in the file";
  for (int64_t n_rows : {panel - 1, panel, 2 * panel + 1, 3 * panel + panel / 2 + 2}) {
    for (int64_t n_tokens : {1, 2, 3, 4, 8, 21}) {
      QuantisedProduct product = random_product(n_rows, 11, n_tokens);
      const std::vector<float> stored = product.multiply(kernels());
      product.interleave_for(kernels());
      ASSERT_TRUE(same_bits(product.multiply(kernels()), stored))
          << n_rows << " rows, " << n_tokens << " tokens";
    }
  }
}

TEST(QuantisedMatmulOfMxfp4, TakesTheSmallestPowersOfTwoAsScales) {
  std::mt19937 random;
  std::uniform_int_distribution<int> value(-127, 127);
  for (const KernelTable* table : available_tables()) {
    for (float scale : {0x1p-128f, 0x1p-127f, 0x1p-126f}) {
      QuantisedProduct product(GgmlType::kMXFP4, 17, 64, 3);
      product.fill_weights([&] { return static_cast<int>(random() & 255); }, [&] { return scale; });
      product.fill_activations([&] { return value(random); }, [] { return 0x1p100f; });
      product.expect_close(product.multiply(*table));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Tables, QuantisedMatmul,
                         testing::Combine(testing::ValuesIn(available_tables()), testing::ValuesIn(kTypes)),
                         [](const auto& test) {
                           return std::string(std::get<0>(test.param)->name) + "_" +
                                  std::string(ggml_type_info(std::get<1>(test.param)).name);
                         });

}  // namespace
}  // namespace flexinfer
