#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "unit/kernels/kernel_fixture.h"

namespace flexinfer {
namespace {

constexpr std::array<size_t, 12> kSizes = {1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 172, 4096};
constexpr double kUnit = 0x1p-24;  // half a unit in the last place of 1: what one rounding costs at most
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

class Elementwise : public KernelTest {};

TEST_P(Elementwise, RmsNormAgreesWithDoubles) {
  for (size_t n : kSizes) {
    for (float deviation : {1e-25f, 1.0f, 1e25f}) {  // squares leave the range of floats at both ends
      const GuardedFloats in(normal_floats(random_, n, deviation));
      const GuardedFloats weight(normal_floats(random_, n));
      const GuardedFloats out(n);
      const float epsilon = deviation < 1.0f ? 0.0f : 1e-5f;
      kernels().rms_norm(in.data(), weight.data(), static_cast<int64_t>(n), epsilon, out.data());
      double squares = 0;
      for (size_t i = 0; i < n; i++)
        squares += static_cast<double>(in[i]) * static_cast<double>(in[i]);
      const double scale = 1.0 / std::sqrt(squares / static_cast<double>(n) + static_cast<double>(epsilon));
      for (size_t i = 0; i < n; i++) {
        const double expected = static_cast<double>(in[i]) * scale * static_cast<double>(weight[i]);
        ASSERT_NEAR(out[i], expected, 3.1 * kUnit * std::fabs(expected)) << n << ", element " << i;
      }
    }
  }
}

TEST_P(Elementwise, SoftmaxAgreesWithDoubles) {
  for (size_t n : kSizes) {
    for (float deviation : {0.1f, 4.0f, 40.0f}) {
      const GuardedFloats x(normal_floats(random_, n, deviation));
      const std::vector<float> in = x.copy();
      kernels().softmax(x.data(), static_cast<int64_t>(n));
      const float greatest = *std::max_element(in.begin(), in.end());
      std::vector<double> expected(n);
      double sum = 0;
      for (size_t i = 0; i < n; i++)
        sum += expected[i] = std::exp(static_cast<double>(in[i] - greatest));
      for (size_t i = 0; i < n; i++) {
        expected[i] /= sum;
        ASSERT_NEAR(x[i], expected[i], 6 * kUnit * expected[i] + 0x1p-148) << n << ", element " << i;
      }
    }
  }
}

// One element is 0 and the others go down to where exp vanishes, so that each result is an exponential over
// the sum.
TEST_P(Elementwise, ExponentialIsAccurateDownToSubnormals) {
  constexpr size_t kPoints = 400000;
  GuardedFloats x(kPoints);
  for (size_t i = 0; i < kPoints; i++)
    x[i] = -105.0f * static_cast<float>(i) / kPoints;
  const std::vector<float> in = x.copy();
  kernels().softmax(x.data(), kPoints);
  double sum = 0;
  for (float value : in)
    sum += std::exp(static_cast<double>(value));
  for (size_t i = 0; i < kPoints; i++) {
    const double expected = std::exp(static_cast<double>(in[i])) / sum;
    ASSERT_NEAR(x[i], expected, 5 * kUnit * expected + 0x1p-148) << in[i];
    ASSERT_LE(x[i], x[i > 0 ? i - 1 : 0]) << in[i];
  }
}

TEST_P(Elementwise, SoftmaxGivesEqualElementsEqualBits) {
  for (size_t n : kSizes) {
    std::vector<float> x(n);
    for (size_t i = 0; i < n; i++)
      x[i] = std::array{0.3f, -2.7f, 5.1f, -60.0f}[i % 4];
    kernels().softmax(x.data(), static_cast<int64_t>(n));
    for (size_t i = 4; i < n; i++)
      ASSERT_TRUE(same_bits({&x[i], 1}, {&x[i - 4], 1})) << n << ", element " << i;
  }
}

TEST_P(Elementwise, SoftmaxOfHugeScoresIsStillADistribution) {
  for (size_t n : kSizes) {
    std::vector<float> x(n, -3e38f);
    x[n / 2] = 3e38f;
    kernels().softmax(x.data(), static_cast<int64_t>(n));
    for (size_t i = 0; i < n; i++)
      EXPECT_EQ(x[i], i == n / 2 ? 1.0f : 0.0f);
  }
}

TEST_P(Elementwise, SoftmaxDoesNotHideANan) {
  for (size_t n : kSizes) {
    std::vector<float> x(n, 1.0f);
    x[n - 1] = kNan;
    kernels().softmax(x.data(), static_cast<int64_t>(n));
    EXPECT_TRUE(std::isnan(x[0])) << n;
  }
}

TEST_P(Elementwise, SiluAgreesWithDoubles) {
  for (size_t n : kSizes) {
    for (float deviation : {0.01f, 3.0f, 30.0f}) {
      const GuardedFloats gate(normal_floats(random_, n, deviation));
      const GuardedFloats up(normal_floats(random_, n));
      const GuardedFloats out(n);
      kernels().silu_multiply(gate.data(), up.data(), static_cast<int64_t>(n), out.data());
      for (size_t i = 0; i < n; i++) {
        const auto x = static_cast<double>(gate[i]);
        const double expected = x / (1.0 + std::exp(-x)) * static_cast<double>(up[i]);
        // Beyond exp(88.7) the sigmoid is taken for 0; what is lost is less than the smallest normal float.
        ASSERT_NEAR(out[i], expected, 6 * kUnit * std::fabs(expected) + 100 * 0x1p-126) << gate[i];
      }
    }
  }
}

TEST_P(Elementwise, SiluOfHugeValuesIsTheValueOrZero) {
  for (float huge : {90.0f, 200.0f, 1e30f, std::numeric_limits<float>::max()}) {
    const std::vector<float> gate = {huge, -huge, 0.0f};
    const std::vector<float> up = {1.0f, 1.0f, 1.0f};
    std::vector<float> out(3);
    kernels().silu_multiply(gate.data(), up.data(), 3, out.data());
    EXPECT_EQ(out[0], huge);
    EXPECT_NEAR(out[1], 0.0f, 100 * 0x1p-126f);
    EXPECT_EQ(out[2], 0.0f);
  }
}

TEST_P(Elementwise, SiluMayOverwriteItsGateAndDoesNotDependOnPosition) {
  const std::vector<float> gate = normal_floats(random_, 100, 5.0f);
  const std::vector<float> up = normal_floats(random_, 100);
  std::vector<float> in_place = gate;
  kernels().silu_multiply(in_place.data(), up.data(), 100, in_place.data());
  for (size_t i = 0; i < gate.size(); i++) {
    float alone;
    kernels().silu_multiply(&gate[i], &up[i], 1, &alone);
    ASSERT_TRUE(same_bits({&alone, 1}, {&in_place[i], 1})) << i;
  }
}

TEST_P(Elementwise, SoftmaxWeightsAreTheSoftmaxTimesTheirSum) {
  for (size_t n : kSizes) {
    const GuardedFloats x(normal_floats(random_, n, 4.0f));
    const std::vector<float> in = x.copy();
    const SoftmaxSum softmax = kernels().softmax_weights(x.data(), static_cast<int64_t>(n));
    EXPECT_EQ(softmax.greatest, *std::max_element(in.begin(), in.end()));
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
      const double expected = std::exp(static_cast<double>(in[i] - softmax.greatest));
      ASSERT_NEAR(x[i], expected, 3 * kUnit * expected) << n << ", element " << i;
      sum += expected;
    }
    EXPECT_NEAR(softmax.sum, sum, 4 * kUnit * sum) << n;
  }
}

// tanh in terms of the sigmoid, which does not cancel for large negative arguments.
TEST_P(Elementwise, GeluAgreesWithDoubles) {
  for (size_t n : kSizes) {
    for (float deviation : {0.01f, 1.0f, 3.0f}) {
      const GuardedFloats gate(normal_floats(random_, n, deviation));
      const GuardedFloats up(normal_floats(random_, n));
      const GuardedFloats out(n);
      kernels().gelu_multiply(gate.data(), up.data(), static_cast<int64_t>(n), out.data());
      for (size_t i = 0; i < n; i++) {
        const auto x = static_cast<double>(gate[i]);
        const double inner = 2.0 * std::sqrt(2.0 / std::acos(-1.0)) * (x + 0.044715 * x * x * x);
        const double expected = x / (1.0 + std::exp(-inner)) * static_cast<double>(up[i]);
        // The argument of exp is off by some roundings of itself.
        const double tolerance = (8 + 6 * std::fabs(inner)) * kUnit * std::fabs(expected) + 100 * 0x1p-126;
        ASSERT_NEAR(out[i], expected, tolerance) << gate[i];
      }
    }
  }
}

TEST_P(Elementwise, ClampedSwigluAgreesWithDoubles) {
  constexpr float kAlpha = 1.702f;
  constexpr float kLimit = 7.0f;
  for (size_t n : kSizes) {
    for (float deviation : {0.5f, 8.0f, 50.0f}) {
      const GuardedFloats gate(normal_floats(random_, n, deviation));
      const GuardedFloats up(normal_floats(random_, n, deviation));
      const GuardedFloats out(n);
      kernels().swiglu_clamped(gate.data(), up.data(), static_cast<int64_t>(n), kAlpha, kLimit, out.data());
      for (size_t i = 0; i < n; i++) {
        const double g = std::min<double>(gate[i], kLimit);
        const double u = std::clamp<double>(up[i], -kLimit, kLimit);
        const double activated = g / (1.0 + std::exp(-static_cast<double>(kAlpha) * g));
        const double tolerance = (8 + 2 * std::fabs(g)) * kUnit * std::fabs(activated) * (std::fabs(u) + 1);
        ASSERT_NEAR(out[i], activated * (u + 1.0), tolerance + 100 * 0x1p-126) << gate[i] << ", " << up[i];
      }
    }
  }
}

TEST_P(Elementwise, SoftCapAgreesWithDoubles) {
  for (size_t n : kSizes) {
    for (float deviation : {1e-4f, 1.0f, 60.0f, 1e4f}) {
      const GuardedFloats x(normal_floats(random_, n, deviation));
      const std::vector<float> in = x.copy();
      kernels().soft_cap(0.25f, 30.0f, static_cast<int64_t>(n), x.data());
      for (size_t i = 0; i < n; i++) {
        const double expected = 30.0 * std::tanh(static_cast<double>(in[i]) * 0.25 / 30.0);
        ASSERT_NEAR(x[i], expected, 10 * kUnit * std::fabs(expected)) << in[i];
      }
    }
  }
}

TEST_P(Elementwise, SoftCapKeepsZeroAndDoesNotHideANan) {
  std::vector<float> x = {0.0f, kNan, kInfinity, -kInfinity};
  kernels().soft_cap(1.0f, 50.0f, 4, x.data());
  EXPECT_EQ(x[0], 0.0f);
  EXPECT_TRUE(std::isnan(x[1]));
  EXPECT_NEAR(x[2], 50.0f, 1e-4f);
  EXPECT_NEAR(x[3], -50.0f, 1e-4f);
}

TEST_P(Elementwise, ScaleAndBlendAreProductsOfFloats) {
  for (size_t n : kSizes) {
    const GuardedFloats x(normal_floats(random_, n));
    const GuardedFloats y(normal_floats(random_, n));
    const std::vector<float> in = x.copy();
    kernels().scale(0.3f, static_cast<int64_t>(n), x.data());
    for (size_t i = 0; i < n; i++)
      ASSERT_EQ(x[i], in[i] * 0.3f) << i;
    kernels().blend(0.7f, y.data(), 1.3f, static_cast<int64_t>(n), x.data());
    for (size_t i = 0; i < n; i++) {
      const double a = static_cast<double>(in[i] * 0.3f) * static_cast<double>(0.7f);
      const double b = static_cast<double>(y[i]) * static_cast<double>(1.3f);
      ASSERT_NEAR(x[i], a + b, 2 * kUnit * (std::fabs(a) + std::fabs(b))) << i;
    }
  }
}

TEST_P(Elementwise, AddIsTheSumOfTwoFloats) {
  for (size_t n : kSizes) {
    const GuardedFloats x(normal_floats(random_, n));
    const GuardedFloats y(normal_floats(random_, n));
    std::vector<float> expected(n);
    for (size_t i = 0; i < n; i++)
      expected[i] = x[i] + y[i];
    kernels().add(y.data(), static_cast<int64_t>(n), x.data());
    EXPECT_TRUE(same_bits(x.copy(), expected)) << n;
  }
}

// Every table's rotation against doubles; first and second are the places of a pair.
void expect_rotated(void (*rotate)(float*, const float*, const float*, int64_t), size_t n_pairs,
                    std::mt19937& random, auto first, auto second) {
  const GuardedFloats x(normal_floats(random, 2 * n_pairs));
  const std::vector<float> in = x.copy();
  const GuardedFloats cosines(normal_floats(random, n_pairs));
  const GuardedFloats sines(normal_floats(random, n_pairs));
  rotate(x.data(), cosines.data(), sines.data(), static_cast<int64_t>(n_pairs));
  for (size_t i = 0; i < n_pairs; i++) {
    const double a = in[first(i)];
    const double b = in[second(i)];
    const double c = cosines[i];
    const double s = sines[i];
    ASSERT_NEAR(x[first(i)], a * c - b * s, 2 * kUnit * (std::fabs(a * c) + std::fabs(b * s)))
        << i << " of " << n_pairs;
    ASSERT_NEAR(x[second(i)], b * c + a * s, 2 * kUnit * (std::fabs(b * c) + std::fabs(a * s))) << i;
  }
}

constexpr size_t kPairCounts[] = {1, 3, 4, 5, 8, 9, 16, 21, 32, 64};

TEST_P(Elementwise, RopeRotatesAdjacentPairs) {
  for (size_t n_pairs : kPairCounts) {
    expect_rotated(
        kernels().rope_adjacent, n_pairs, random_, [](size_t i) { return 2 * i; },
        [](size_t i) { return 2 * i + 1; });
  }
}

TEST_P(Elementwise, RopeRotatesHalves) {
  for (size_t n_pairs : kPairCounts) {
    expect_rotated(
        kernels().rope_halves, n_pairs, random_, [](size_t i) { return i; },
        [&](size_t i) { return i + n_pairs; });
  }
}

// The parts of a Q8 row in memory of their own sizes: nothing may be written past any of them.
struct Q8Parts {
  explicit Q8Parts(size_t cols)
      : values(cols), scales(cols / kActivationBlock), sums(cols / kActivationSumBlock * sizeof(int16_t)) {}
  Q8Row row() const {
    return {.values = reinterpret_cast<int8_t*>(values.data()),
            .scales = scales.data(),
            .sums = reinterpret_cast<int16_t*>(sums.data())};
  }

  GuardedBuffer values;
  GuardedFloats scales;
  GuardedBuffer sums;
};

TEST_P(Elementwise, QuantisedRowIsTheNearestIntegersAndTheirSums) {
  for (size_t cols : {32u, 64u, 96u, 256u, 4096u}) {
    const GuardedFloats in(normal_floats(random_, cols));
    in[0] = 10.0f;
    std::fill_n(in.data() + cols - 16, 16, 0.0f);
    const Q8Parts parts(cols);
    const Q8Row row = parts.row();
    kernels().quantise_row(in.data(), static_cast<int64_t>(cols), row);
    for (size_t i = 0; i < cols; i++) {
      const float* block = in.data() + i / kActivationBlock * kActivationBlock;
      float greatest = 0.0f;
      for (size_t k = 0; k < kActivationBlock; k++)
        greatest = std::max(greatest, std::fabs(block[k]));
      const float scale = greatest / 127.0f;
      ASSERT_EQ(row.scales[i / kActivationBlock], scale);
      ASSERT_EQ(row.values[i], static_cast<int>(std::round(in[i] * (1.0f / scale)))) << i;
    }
    for (size_t i = 0; i < cols; i += kActivationSumBlock) {
      int sum = 0;
      for (size_t k = 0; k < kActivationSumBlock; k++)
        sum += row.values[i + k];
      ASSERT_EQ(row.sums[i / kActivationSumBlock], sum) << i;
    }
  }
}

// Whatever is in a row: the integers stay in [-127, 127], and what is no number is not taken for one.
TEST_P(Elementwise, QuantisedRowSurvivesBlocksWithoutAUsableScale) {
  for (float odd : {0.0f, std::numeric_limits<float>::denorm_min(), 1e-37f, kInfinity, -kInfinity, kNan}) {
    for (size_t at : {0u, 13u, 31u}) {
      std::vector<float> in(64, 0.0f);
      in[at] = odd;
      std::fill_n(in.begin() + 32, 32, -1.0f);
      const Q8Parts parts(64);
      const Q8Row row = parts.row();
      kernels().quantise_row(in.data(), 64, row);
      EXPECT_EQ(std::isfinite(row.scales[0]), std::isfinite(odd)) << odd;
      for (size_t i = 0; i < 32; i++)
        EXPECT_GE(row.values[i], -127) << odd;
      for (size_t i = 32; i < 64; i++)
        EXPECT_EQ(row.values[i], -127) << odd;
    }
  }
}

TEST_P(Elementwise, QuantisedRowHasTheBitsOfThePlainKernel) {
  const std::vector<float> in = normal_floats(random_, 8192, 3.0f);
  const Q8Parts parts(in.size());
  const Q8Parts plain(in.size());
  kernels().quantise_row(in.data(), 8192, parts.row());
  find_kernels("generic")->quantise_row(in.data(), 8192, plain.row());
  EXPECT_TRUE(std::equal(parts.values.data(), parts.values.data() + in.size(), plain.values.data()));
  EXPECT_TRUE(same_bits(parts.scales.copy(), plain.scales.copy()));
  EXPECT_TRUE(std::equal(parts.sums.data(), parts.sums.data() + in.size() / 8, plain.sums.data()));
}

INSTANTIATE_TEST_SUITE_P(Tables, Elementwise, testing::ValuesIn(available_tables()), table_name);

}  // namespace
}  // namespace flexinfer
