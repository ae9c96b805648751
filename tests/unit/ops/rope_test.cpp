#include "ops/rope.h"

#include <algorithm>
#include <cmath>
#include <complex>

#include "unit/ops/ops_fixture.h"

namespace flexinfer {
namespace {

const std::vector<int32_t> kPositions = {0, 1, 2, 17, 511, 4095, 131071};

struct RopeCase {
  const char* name;
  RopeParameters parameters;
  int64_t head_dim;
  bool with_factors;
};

RopeParameters halves(int64_t n_dims) {
  return {.n_dims = n_dims, .pairs = RopePairs::kHalves};
}

const RopeCase kCases[] = {
    {"plain", {64, 10000.0, 1.0}, 64, false},
    {"large_base", {128, 500000.0, 1.0}, 128, false},
    {"factors", {64, 500000.0, 1.0}, 64, true},
    {"linear", {64, 10000.0, 4.0}, 64, false},
    {"partial", {32, 10000.0, 1.0}, 80, false},
    {"all_at_once", {16, 1e6, 2.5}, 24, true},
    {"halves", halves(64), 64, false},
    {"partial_halves", halves(24), 80, true},
    {"magnitude", {.n_dims = 32, .magnitude = 1.25}, 32, false},
};

class Rope : public testing::TestWithParam<std::tuple<const KernelTable*, RopeCase>> {
 protected:
  const KernelTable& kernels() const { return *std::get<0>(GetParam()); }
  const RopeCase& rope() const { return std::get<1>(GetParam()); }
  int64_t n_pairs() const { return rope().parameters.n_dims / 2; }

  void SetUp() override {
    if (!rope().with_factors) return;
    for (int64_t i = 0; i < n_pairs(); ++i)
      factors_.push_back(1.0f + 0.5f * static_cast<float>(i));
  }

  void rotate(const Compute& compute, const Matrix& heads) const {
    const auto n = static_cast<int64_t>(kPositions.size());
    const Matrix cosines(n, n_pairs());
    const Matrix sines(n, n_pairs());
    const std::vector<double> frequencies = rope_frequencies(rope().parameters, factors_);
    rope_angles(compute, frequencies, rope().parameters.magnitude, kPositions, cosines.rows(), sines.rows());
    apply_rope(compute, rope().parameters.pairs, cosines.rows(), sines.rows(), n_pairs(), rope().head_dim,
               heads.rows());
  }

  // Pair i of a head, as one complex number turned by an angle.
  std::complex<double> turned(const float* head, int64_t i, int32_t position) const {
    const RopeParameters& p = rope().parameters;
    double angle =
        position * std::exp(std::log(p.base) * -2.0 * static_cast<double>(i) / static_cast<double>(p.n_dims));
    angle /= p.linear_scale;
    if (!factors_.empty()) angle /= static_cast<double>(factors_[static_cast<size_t>(i)]);
    return std::complex<double>(head[first(i)], head[second(i)]) * std::polar(p.magnitude, angle);
  }

  bool adjacent() const { return rope().parameters.pairs == RopePairs::kAdjacent; }
  int64_t first(int64_t i) const { return adjacent() ? 2 * i : i; }
  int64_t second(int64_t i) const { return adjacent() ? 2 * i + 1 : i + n_pairs(); }

  std::vector<float> factors_;
  std::mt19937 random_{5};
};

INSTANTIATE_TEST_SUITE_P(Ops, Rope,
                         testing::Combine(testing::ValuesIn(available_tables()), testing::ValuesIn(kCases)),
                         [](const auto& test) {
                           return std::string(std::get<0>(test.param)->name) + "_" +
                                  std::get<1>(test.param).name;
                         });

TEST_P(Rope, DiffersFromTurnedComplexNumbers) {
  constexpr int64_t kHeads = 3;
  const Matrix before(random_, static_cast<int64_t>(kPositions.size()), kHeads * rope().head_dim);
  const Matrix after = before;
  rotate(Workers(kernels(), 1).compute(), after);
  for (size_t t = 0; t < kPositions.size(); ++t) {
    for (int64_t h = 0; h < kHeads; ++h) {
      const float* in = before.row(static_cast<int64_t>(t)) + h * rope().head_dim;
      const float* out = after.row(static_cast<int64_t>(t)) + h * rope().head_dim;
      for (int64_t i = 0; i < n_pairs(); ++i) {
        const std::complex<double> expected = turned(in, i, kPositions[t]);
        // Roundings of the cosine, the product and the sum; the angle itself is a double.
        const double tolerance = 5 * kRounding * (std::fabs(in[first(i)]) + std::fabs(in[second(i)])) + 1e-9;
        EXPECT_NEAR(out[first(i)], expected.real(), tolerance)
            << "position " << kPositions[t] << ", pair " << i;
        EXPECT_NEAR(out[second(i)], expected.imag(), tolerance)
            << "position " << kPositions[t] << ", pair " << i;
      }
    }
  }
}

TEST_P(Rope, TouchesTheDimensionsThatAreNotRotated) {
  const Matrix before(random_, static_cast<int64_t>(kPositions.size()), 2 * rope().head_dim);
  const Matrix after = before;
  rotate(Workers(kernels(), 1).compute(), after);
  EXPECT_FALSE(same_bits(after.values(), before.values()));
  const int64_t n_dims = rope().parameters.n_dims;
  for (int64_t t = 0; t < before.rows().n_rows; ++t) {
    for (int64_t h = 0; h < 2; ++h) {
      const int64_t first = h * rope().head_dim + n_dims;
      const auto n = static_cast<size_t>(rope().head_dim - n_dims);
      EXPECT_TRUE(same_bits({after.row(t) + first, n}, {before.row(t) + first, n}));
    }
  }
}

TEST_P(Rope, TurnsTheFirstPosition) {
  const Matrix before(random_, static_cast<int64_t>(kPositions.size()), rope().head_dim);
  const Matrix after = before;
  rotate(Workers(kernels(), 1).compute(), after);
  for (int64_t i = 0; i < rope().head_dim; ++i) {
    const bool rotated = i < rope().parameters.n_dims;
    EXPECT_EQ(after.at(0, i),
              before.at(0, i) * (rotated ? static_cast<float>(rope().parameters.magnitude) : 1.0f));
  }
}

TEST_P(Rope, BitsDependOnTheNumberOfThreads) {
  const Matrix before(random_, static_cast<int64_t>(kPositions.size()), 2 * rope().head_dim);
  const Matrix alone = before;
  rotate(Workers(kernels(), 1).compute(), alone);
  for (int n_threads : kThreadCounts) {
    const Matrix after = before;
    rotate(Workers(kernels(), n_threads).compute(), after);
    EXPECT_TRUE(same_bits(after.values(), alone.values())) << n_threads << " threads";
  }
}

// A context of 4096 = 2 pi / base^(-2i / n_dims) * turns: pair 20.9 of 64 turns 32 times, pair 45.03 once.
TEST(Yarn, StretchesOtherFrequenciesThanTheSlowOnes) {
  const RopeParameters plain{.n_dims = 128};
  RopeParameters stretched = plain;
  stretched.yarn = {.factor = 8.0, .original_context_length = 4096};
  const std::vector<double> before = rope_frequencies(plain, {});
  const std::vector<double> after = rope_frequencies(stretched, {});
  for (size_t i = 0; i < before.size(); ++i) {
    const double kept = 1.0 - std::clamp((static_cast<double>(i) - 20.0) / (46.0 - 20.0), 0.0, 1.0);
    EXPECT_NEAR(after[i], before[i] * (kept + (1.0 - kept) / 8.0), 1e-12 * before[i]) << "pair " << i;
  }
}

TEST(Yarn, MagnitudeIsOneWhereNothingIsStretched) {
  EXPECT_EQ(yarn_magnitude(1.0), 1.0);
  EXPECT_NEAR(yarn_magnitude(32.0), 1.3465735902799727, 1e-15);  // 1 + 0.1 ln 32
}

}  // namespace
}  // namespace flexinfer
