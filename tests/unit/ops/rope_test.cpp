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

const RopeCase kCases[] = {
    {"plain", {64, 10000.0, 1.0}, 64, false},   {"large_base", {128, 500000.0, 1.0}, 128, false},
    {"factors", {64, 500000.0, 1.0}, 64, true}, {"linear", {64, 10000.0, 4.0}, 64, false},
    {"partial", {32, 10000.0, 1.0}, 80, false}, {"all_at_once", {16, 1e6, 2.5}, 24, true},
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
    rope_angles(compute, frequencies, kPositions, cosines.rows(), sines.rows());
    apply_rope(compute, cosines.rows(), sines.rows(), n_pairs(), rope().head_dim, heads.rows());
  }

  // Pair i of a head, as one complex number turned by an angle.
  std::complex<double> turned(const float* head, int64_t i, int32_t position) const {
    const RopeParameters& p = rope().parameters;
    double angle =
        position * std::exp(std::log(p.base) * -2.0 * static_cast<double>(i) / static_cast<double>(p.n_dims));
    angle /= p.linear_scale;
    if (!factors_.empty()) angle /= static_cast<double>(factors_[static_cast<size_t>(i)]);
    return std::complex<double>(head[2 * i], head[2 * i + 1]) * std::polar(1.0, angle);
  }

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
        const double tolerance = 4 * kRounding * (std::fabs(in[2 * i]) + std::fabs(in[2 * i + 1])) + 1e-9;
        EXPECT_NEAR(out[2 * i], expected.real(), tolerance) << "position " << kPositions[t] << ", pair " << i;
        EXPECT_NEAR(out[2 * i + 1], expected.imag(), tolerance)
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
  for (int64_t i = 0; i < rope().head_dim; ++i)
    EXPECT_EQ(after.at(0, i), before.at(0, i));
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

}  // namespace
}  // namespace flexinfer
