#include "ops/elementwise.h"

#include <algorithm>
#include <cmath>

#include "quant/dequantize.h"
#include "unit/ops/ops_fixture.h"

namespace flexinfer {
namespace {

constexpr int64_t kCols[] = {1, 15, 64, 100, 577};

using Elementwise = OpsTest;
INSTANTIATE_TEST_SUITE_P(Ops, Elementwise, testing::ValuesIn(available_tables()), table_name);

TEST_P(Elementwise, RmsNormDiffersFromDoubles) {
  for (int64_t cols : kCols) {
    for (float deviation : {1e-4f, 1.0f, 1e4f}) {  // with the smallest it is epsilon that counts
      const float epsilon = 1e-5f;
      const Matrix in(random_, 3, cols, deviation);
      const std::vector<float> weight = normal_floats(random_, static_cast<size_t>(cols));
      const Matrix out(3, cols);
      rms_norm(compute(), in.rows(), weight, epsilon, out.rows());
      for (int64_t t = 0; t < 3; ++t) {
        double squares = 0;
        for (int64_t c = 0; c < cols; ++c)
          squares += std::pow(static_cast<double>(in.at(t, c)), 2);
        const double length = std::sqrt(squares / static_cast<double>(cols) + static_cast<double>(epsilon));
        for (int64_t c = 0; c < cols; ++c) {
          const double expected = in.at(t, c) / length * static_cast<double>(weight[static_cast<size_t>(c)]);
          EXPECT_NEAR(out.at(t, c), expected,
                      static_cast<double>(cols + 4) * kRounding * std::fabs(expected));
        }
      }
    }
  }
}

TEST_P(Elementwise, NormInPlaceDiffersFromNormIntoOtherRows) {
  const Matrix in(random_, 4, 100);
  const std::vector<float> weight = normal_floats(random_, 100);
  const Matrix out(4, 100);
  rms_norm(compute(), in.rows(), weight, 1e-5f, out.rows());
  rms_norm(compute(), in.rows(), weight, 1e-5f, in.rows());
  EXPECT_TRUE(same_bits(in.values(), out.values()));
}

TEST_P(Elementwise, NormOfAHeadDependsOnItsNeighbours) {
  const Matrix heads(random_, 3, 4 * 48);
  const std::vector<float> weight = normal_floats(random_, 48);
  const Matrix normed = heads;
  rms_norm_heads(compute(), weight, 1e-5f, normed.rows());
  for (int64_t t = 0; t < 3; ++t) {
    for (int64_t h = 0; h < 4; ++h) {
      std::vector<float> alone(48);
      kernels().rms_norm(heads.row(t) + 48 * h, weight.data(), 48, 1e-5f, alone.data());
      EXPECT_TRUE(same_bits({normed.row(t) + 48 * h, 48}, alone)) << "token " << t << ", head " << h;
    }
  }
}

TEST_P(Elementwise, ActivationsAndCapsReachOtherRows) {
  const Matrix gate(random_, 3, 100, 8.0f);
  const Matrix up(random_, 3, 100, 8.0f);
  const Matrix gelu = gate;
  const Matrix clamped = gate;
  const Matrix capped = gate;
  const Matrix scaled = gate;
  gelu_multiply(compute(), gelu.rows(), up.rows());
  swiglu_clamped(compute(), 1.702f, 7.0f, clamped.rows(), up.rows());
  soft_cap_rows(compute(), 30.0f, capped.rows());
  scale_rows(compute(), 3.0f, scaled.rows());
  for (int64_t t = 0; t < 3; ++t) {
    std::vector<float> expected(100);
    kernels().gelu_multiply(gate.row(t), up.row(t), 100, expected.data());
    EXPECT_TRUE(same_bits({gelu.row(t), 100}, expected));
    kernels().swiglu_clamped(gate.row(t), up.row(t), 100, 1.702f, 7.0f, expected.data());
    EXPECT_TRUE(same_bits({clamped.row(t), 100}, expected));
    std::copy_n(gate.row(t), 100, expected.data());
    kernels().soft_cap(1.0f, 30.0f, 100, expected.data());
    EXPECT_TRUE(same_bits({capped.row(t), 100}, expected));
    for (int64_t c = 0; c < 100; ++c)
      EXPECT_EQ(scaled.at(t, c), gate.at(t, c) * 3.0f);
  }
}

TEST_P(Elementwise, AddsTheWrongRow) {
  for (int64_t cols : kCols) {
    const Matrix rows(random_, 4, cols);
    const Matrix addend(random_, 4, cols);
    const Matrix summed = rows;
    add_rows(compute(), addend.rows(), summed.rows());
    for (int64_t t = 0; t < 4; ++t) {
      for (int64_t c = 0; c < cols; ++c)
        EXPECT_EQ(summed.at(t, c), rows.at(t, c) + addend.at(t, c));
    }
  }
}

TEST_P(Elementwise, BiasReachesOnlySomeTokens) {
  for (int64_t cols : kCols) {
    const Matrix rows(random_, 4, cols);
    const std::vector<float> bias = normal_floats(random_, static_cast<size_t>(cols));
    const Matrix summed = rows;
    add_bias(compute(), bias, summed.rows());
    for (int64_t t = 0; t < 4; ++t) {
      for (int64_t c = 0; c < cols; ++c)
        EXPECT_EQ(summed.at(t, c), rows.at(t, c) + bias[static_cast<size_t>(c)]);
    }
  }
}

TEST_P(Elementwise, SiluDiffersFromDoubles) {
  for (int64_t cols : kCols) {
    const Matrix gate(random_, 3, cols, 4.0f);
    const Matrix up(random_, 3, cols);
    const Matrix out = gate;
    silu_multiply(compute(), out.rows(), up.rows());
    for (int64_t t = 0; t < 3; ++t) {
      for (int64_t c = 0; c < cols; ++c) {
        const auto g = static_cast<double>(gate.at(t, c));
        const double expected = g / (1 + std::exp(-g)) * up.at(t, c);
        EXPECT_NEAR(out.at(t, c), expected, 8 * kRounding * std::fabs(expected)) << "gate " << g;
      }
    }
  }
}

TEST_P(Elementwise, DequantizesRowsFromTheWrongPlace) {
  const auto row_size = static_cast<size_t>(*row_bytes(GgmlType::kQ8_0, 96));
  std::vector<std::byte> weights(5 * row_size);
  const Matrix expected(5, 96);
  for (int64_t r = 0; r < 5; ++r) {
    const std::vector<float> values = normal_floats(random_, 96);
    std::byte* row = weights.data() + static_cast<size_t>(r) * row_size;
    ASSERT_TRUE(quantize_row(GgmlType::kQ8_0, values.data(), 96, row));
    dequantize_row(GgmlType::kQ8_0, row, 96, expected.row(r));
  }
  const Matrix out(5, 96);
  dequantize_rows(compute(), GgmlType::kQ8_0, weights.data(), row_size, out.rows());
  EXPECT_TRUE(same_bits(out.values(), expected.values()));
}

TEST_P(Elementwise, BitsDependOnTheNumberOfThreads) {
  const Matrix in(random_, 7, 100);
  const Matrix up(random_, 7, 100);
  const std::vector<float> weight = normal_floats(random_, 100);
  auto compute_all = [&](const Compute& with) {
    const Matrix out(7, 100);
    rms_norm(with, in.rows(), weight, 1e-5f, out.rows());
    add_bias(with, weight, out.rows());
    add_rows(with, in.rows(), out.rows());
    silu_multiply(with, out.rows(), up.rows());
    return out.values();
  };
  const std::vector<float> alone = compute_all(compute());
  for (int n_threads : kThreadCounts) {
    const Workers workers(kernels(), n_threads);
    EXPECT_TRUE(same_bits(compute_all(workers.compute()), alone)) << n_threads << " threads";
  }
}

}  // namespace
}  // namespace flexinfer
