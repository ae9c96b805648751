// Every matmul of every table against doubles, and against itself with the call split in other ways.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <memory>
#include <tuple>

#include "quant/blocks.h"
#include "quant/dequantize.h"
#include "unit/kernels/kernel_fixture.h"

namespace flexinfer {
namespace {

constexpr float kUntouched = -12345.0f;

constexpr std::array kTypes = {
    GgmlType::kF32,  GgmlType::kF16,    GgmlType::kBF16,   GgmlType::kQ8_0,  GgmlType::kQ4_0, GgmlType::kQ4_1,
    GgmlType::kQ5_0, GgmlType::kQ5_1,   GgmlType::kQ2_K,   GgmlType::kQ3_K,  GgmlType::kQ4_K, GgmlType::kQ5_K,
    GgmlType::kQ6_K, GgmlType::kIQ4_NL, GgmlType::kIQ4_XS, GgmlType::kMXFP4,
};

// Any bytes are a block, save that the scales must be sensible numbers.
template <class Block>
void fill_blocks(std::mt19937& random, std::span<std::byte> rows) {
  std::uniform_real_distribution<float> scale(0.001f, 0.02f);
  for (size_t at = 0; at < rows.size(); at += sizeof(Block)) {
    std::generate_n(rows.data() + at, sizeof(Block), [&] { return static_cast<std::byte>(random()); });
    Block block;
    std::memcpy(&block, rows.data() + at, sizeof block);
    if constexpr (requires { block.d; }) block.d = float_to_half(scale(random));
    if constexpr (requires { block.e; }) block.e = static_cast<uint8_t>(118 + random() % 8);
    if constexpr (requires { block.dmin; }) block.dmin = float_to_half(scale(random));
    std::memcpy(rows.data() + at, &block, sizeof block);
  }
}

void fill_rows(std::mt19937& random, GgmlType type, int64_t n_elements, std::span<std::byte> rows) {
  const std::vector<float> values = normal_floats(random, static_cast<size_t>(n_elements), 0.1f);
  if (quantize_row(type, values.data(), n_elements, rows.data())) return;
  switch (type) {
    case GgmlType::kQ2_K:
      return fill_blocks<BlockQ2_K>(random, rows);
    case GgmlType::kQ3_K:
      return fill_blocks<BlockQ3_K>(random, rows);
    case GgmlType::kQ4_K:
      return fill_blocks<BlockQ4_K>(random, rows);
    case GgmlType::kQ5_K:
      return fill_blocks<BlockQ5_K>(random, rows);
    case GgmlType::kQ6_K:
      return fill_blocks<BlockQ6_K>(random, rows);
    case GgmlType::kIQ4_NL:
      return fill_blocks<BlockIQ4_NL>(random, rows);
    case GgmlType::kIQ4_XS:
      return fill_blocks<BlockIQ4_XS>(random, rows);
    case GgmlType::kMXFP4:
      return fill_blocks<BlockMXFP4>(random, rows);
    default:
      FAIL() << "no blocks of " << ggml_type_info(type).name;
  }
}

// One matrix and its activations. The last row ends where memory ends.
class Product {
 public:
  Product(std::mt19937& random, GgmlType type, int64_t n_rows, int64_t cols, int64_t n_tokens)
      : type_(type), weight_row_bytes_(static_cast<size_t>(*row_bytes(type, static_cast<uint64_t>(cols)))) {
    args_ = {.row_bytes = weight_row_bytes_,
             .n_rows = n_rows,
             .cols = cols,
             .n_tokens = n_tokens,
             .out_stride = n_rows};
    set_activations(normal_floats(random, static_cast<size_t>(n_tokens * cols)));
    weights_ = std::make_unique<GuardedBuffer>(args_.row_bytes * static_cast<size_t>(n_rows));
    args_.weights = weights_->data();
    fill_rows(random, type, n_rows * cols, {weights_->data(), args_.row_bytes * static_cast<size_t>(n_rows)});
  }

  const MatmulArgs& args() const { return args_; }
  GgmlType type() const { return type_; }

  // The same rows `gap` bytes apart.
  void spread_rows(size_t gap) {
    const size_t distance = weight_row_bytes_ + gap;
    auto spread =
        std::make_unique<GuardedBuffer>(distance * static_cast<size_t>(args_.n_rows - 1) + weight_row_bytes_);
    for (size_t r = 0; r < static_cast<size_t>(args_.n_rows); r++) {
      std::memcpy(spread->data() + r * distance, args_.weights + r * args_.row_bytes, weight_row_bytes_);
    }
    weights_ = std::move(spread);
    args_.weights = weights_->data();
    args_.row_bytes = distance;
  }

  // What the kernel sees as the activation of a token: floats, or the integers times their scales.
  std::vector<double> activation(int64_t token) const {
    std::vector<double> values(static_cast<size_t>(args_.cols));
    std::byte* memory =
        activations_[static_cast<size_t>(token) * args_.activation_bytes / sizeof(Line)].bytes;
    const Q8Row row = q8_row_at(memory, values.size());
    for (size_t i = 0; i < values.size(); i++) {
      values[i] =
          activation_kind(type_) == ActivationKind::kF32
              ? static_cast<double>(reinterpret_cast<const float*>(memory)[i])
              : static_cast<double>(row.values[i]) * static_cast<double>(row.scales[i / kActivationBlock]);
    }
    return values;
  }

  std::vector<double> weight_row(int64_t r) const {
    std::vector<float> values(static_cast<size_t>(args_.cols));
    dequantize_row(type_, args_.weights + static_cast<size_t>(r) * args_.row_bytes, args_.cols,
                   values.data());
    return {values.begin(), values.end()};
  }

  // Rows [row, row + n_rows) with tokens [token, token + n_tokens), in a buffer that ends with the last of
  // them.
  std::vector<float> multiply(MatmulFn matmul, int64_t row, int64_t n_rows, int64_t token,
                              int64_t n_tokens) const {
    const GuardedFloats out(static_cast<size_t>(n_rows * n_tokens));
    MatmulArgs part = args_;
    part.weights += static_cast<size_t>(row) * args_.row_bytes;
    part.activations += static_cast<size_t>(token) * args_.activation_bytes;
    part.n_rows = n_rows;
    part.n_tokens = n_tokens;
    part.out = out.data();
    part.out_stride = n_rows;
    matmul(part);
    return out.copy();
  }

  std::vector<float> multiply(MatmulFn matmul) const {
    return multiply(matmul, 0, args_.n_rows, 0, args_.n_tokens);
  }

 private:
  struct alignas(64) Line {
    std::byte bytes[64];
  };

  void set_activations(const std::vector<float>& values) {
    const auto cols = static_cast<size_t>(args_.cols);
    const bool is_f32 = activation_kind(type_) == ActivationKind::kF32;
    const size_t bytes = is_f32 ? cols * sizeof(float) : q8_row_bytes(cols);
    args_.activation_bytes = (bytes + sizeof(Line) - 1) / sizeof(Line) * sizeof(Line);
    activations_ =
        std::make_unique<Line[]>(args_.activation_bytes * static_cast<size_t>(args_.n_tokens) / sizeof(Line));
    args_.activations = activations_[0].bytes;
    for (size_t t = 0; t < static_cast<size_t>(args_.n_tokens); t++) {
      std::byte* memory = activations_[t * args_.activation_bytes / sizeof(Line)].bytes;
      if (is_f32) {
        std::memcpy(memory, values.data() + t * cols, bytes);
      } else {
        find_kernels("generic")->quantise_row(values.data() + t * cols, args_.cols, q8_row_at(memory, cols));
      }
    }
  }

  GgmlType type_;
  size_t weight_row_bytes_;
  MatmulArgs args_;
  std::unique_ptr<GuardedBuffer> weights_;
  std::unique_ptr<Line[]> activations_;
};

class Matmul : public testing::TestWithParam<std::tuple<const KernelTable*, GgmlType>> {
 protected:
  GgmlType type() const { return std::get<1>(GetParam()); }
  MatmulFn matmul() const { return std::get<0>(GetParam())->find_matmul(type()); }

  // Two widths that are no round number of anything but the type's blocks.
  std::array<int64_t, 2> widths() const {
    const int64_t block = ggml_type_info(type()).block_elements;
    return block == 1 ? std::array<int64_t, 2>{172, 21} : std::array<int64_t, 2>{9 * block, block};
  }

  std::mt19937 random_{7};
};

double norm(const std::vector<double>& values) {
  double squares = 0;
  for (double value : values)
    squares += value * value;
  return std::sqrt(squares);
}

// Lanes are summed in floats: the error is some roundings of partial sums, which grow like the product of the
// norms.
void expect_close(const Product& product, const std::vector<float>& out) {
  const MatmulArgs& args = product.args();
  for (int64_t t = 0; t < args.n_tokens; t++) {
    const std::vector<double> x = product.activation(t);
    for (int64_t r = 0; r < args.n_rows; r++) {
      const std::vector<double> w = product.weight_row(r);
      double expected = 0;
      for (size_t i = 0; i < w.size(); i++)
        expected += w[i] * x[i];
      ASSERT_NEAR(out[static_cast<size_t>(t * args.n_rows + r)], expected, 5e-7 * norm(w) * norm(x))
          << "row " << r << ", token " << t << ", " << args.cols << " columns";
    }
  }
}

TEST_P(Matmul, AgreesWithDoubles) {
  const int64_t block = std::max<int64_t>(ggml_type_info(type()).block_elements, 32);
  for (int64_t cols : {widths()[0], widths()[1], 2048 / block * block}) {
    const Product product(random_, type(), 21, cols, 6);
    expect_close(product, product.multiply(matmul()));
  }
}

TEST_P(Matmul, AnyNumberOfColumnsIsSummedToItsEnd) {
  const int64_t block = ggml_type_info(type()).block_elements;
  for (int64_t n_blocks = 1; n_blocks <= 35; n_blocks += block == 256 ? 17 : 1) {
    const Product product(random_, type(), 5, n_blocks * block, 2);
    expect_close(product, product.multiply(matmul()));
  }
}

TEST_P(Matmul, BitsDoNotDependOnHowTheCallIsSplit) {
  constexpr int64_t kRows = 37;
  constexpr int64_t kTokens = 11;
  for (int64_t cols : widths()) {
    const Product product(random_, type(), kRows, cols, kTokens);
    const std::vector<float> whole = product.multiply(matmul());
    auto expect_part = [&](int64_t row, int64_t n_rows, int64_t token, int64_t n_tokens) {
      const std::vector<float> part = product.multiply(matmul(), row, n_rows, token, n_tokens);
      for (int64_t t = 0; t < n_tokens; t++) {
        ASSERT_TRUE(same_bits({part.data() + t * n_rows, static_cast<size_t>(n_rows)},
                              {whole.data() + (token + t) * kRows + row, static_cast<size_t>(n_rows)}))
            << "rows from " << row << ", " << n_rows << " of them, token " << token + t << " of " << n_tokens;
      }
    };
    for (int64_t row = 0; row < kRows; row++) {
      for (int64_t n = 1; row + n <= kRows; n++)
        ASSERT_NO_FATAL_FAILURE(expect_part(row, n, 0, 1 + (row + n) % 3));
    }
    for (int64_t token = 0; token < kTokens; token++) {
      for (int64_t n = 1; token + n <= kTokens; n++)
        ASSERT_NO_FATAL_FAILURE(expect_part(token, 21, token, n));
    }
  }
}

TEST_P(Matmul, RowsAtAnyAddressAndDistanceGiveTheSameBits) {
  Product product(random_, type(), 19, widths()[0], 3);
  const std::vector<float> packed = product.multiply(matmul());
  for (size_t gap : {1u, 3u, 64u}) {
    product.spread_rows(gap);
    ASSERT_TRUE(same_bits(product.multiply(matmul()), packed)) << "gap of " << gap;
  }
}

TEST_P(Matmul, WritesNothingBetweenTheOutputsOfTwoTokens) {
  const Product product(random_, type(), 19, widths()[0], 6);
  MatmulArgs args = product.args();
  args.out_stride = 24;
  std::vector<float> out(static_cast<size_t>(args.out_stride * args.n_tokens), kUntouched);
  args.out = out.data();
  matmul()(args);
  for (size_t i = 0; i < out.size(); i++)
    EXPECT_EQ(out[i] == kUntouched, i % 24 >= 19) << i;
}

TEST_P(Matmul, NothingToComputeTouchesNothing) {
  const Product product(random_, type(), 3, widths()[0], 2);
  float out = kUntouched;
  MatmulArgs args = product.args();
  args.out = &out;
  args.n_rows = 0;
  matmul()(args);
  args.n_rows = 3;
  args.n_tokens = 0;
  matmul()(args);
  EXPECT_EQ(out, kUntouched);
}

INSTANTIATE_TEST_SUITE_P(Tables, Matmul,
                         testing::Combine(testing::ValuesIn(available_tables()), testing::ValuesIn(kTypes)),
                         [](const auto& test) {
                           return std::string(std::get<0>(test.param)->name) + "_" +
                                  std::string(ggml_type_info(std::get<1>(test.param)).name);
                         });

}  // namespace
}  // namespace flexinfer
