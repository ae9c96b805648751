#include "ops/experts.h"

#include <cmath>

#include "unit/ops/ops_fixture.h"

namespace flexinfer {
namespace {

struct Chosen {
  std::vector<int32_t> experts;
  std::vector<float> weights;
};

Chosen choose(const Compute& compute, const Routing& routing, Matrix scores) {
  const auto n = static_cast<size_t>(scores.rows().n_rows * routing.n_used);
  Chosen chosen{std::vector<int32_t>(n), std::vector<float>(n)};
  choose_experts(compute, routing, scores.rows(), {chosen.experts, chosen.weights});
  return chosen;
}

Matrix one_row(const std::vector<float>& values) {
  Matrix matrix(1, static_cast<int64_t>(values.size()));
  std::ranges::copy(values, matrix.row(0));
  return matrix;
}

class Experts : public OpsTest {};
INSTANTIATE_TEST_SUITE_P(Ops, Experts, testing::ValuesIn(available_tables()), table_name);

TEST_P(Experts, ChoosesOthersThanTheBest) {
  const Chosen chosen = choose(compute(), {5, 2, true}, one_row({0.5F, 2, -1, 3, 1}));
  EXPECT_EQ(chosen.experts, (std::vector<int32_t>{1, 3}));
  EXPECT_NEAR(chosen.weights[0], 1 / (1 + std::exp(1.0)), 1e-6);
  EXPECT_NEAR(chosen.weights[1], 1 / (1 + std::exp(-1.0)), 1e-6);
}

TEST_P(Experts, WeighsByTheSumOfTheChosenAlone) {
  const Chosen chosen = choose(compute(), {3, 2, false}, one_row({1, 2, 3}));
  const double sum = std::exp(1.0) + std::exp(2.0) + std::exp(3.0);
  EXPECT_EQ(chosen.experts, (std::vector<int32_t>{1, 2}));
  EXPECT_NEAR(chosen.weights[0], std::exp(2.0) / sum, 1e-6);
  EXPECT_NEAR(chosen.weights[1], std::exp(3.0) / sum, 1e-6);
}

TEST_P(Experts, LetsChanceDecideATie) {
  EXPECT_EQ(choose(compute(), {4, 2, true}, one_row({1, 2, 2, 2})).experts, (std::vector<int32_t>{1, 2}));
  EXPECT_EQ(choose(compute(), {4, 3, true}, one_row({0, 0, 0, 0})).experts, (std::vector<int32_t>{0, 1, 2}));
}

TEST_P(Experts, ChoosesOneTwiceAmongNumbersThatAreNone) {
  const float nan = std::nanf("");
  EXPECT_EQ(choose(compute(), {3, 3, true}, one_row({nan, nan, nan})).experts,
            (std::vector<int32_t>{0, 1, 2}));
  EXPECT_EQ(choose(compute(), {3, 2, true}, one_row({nan, 1, INFINITY})).experts.size(), 2U);
}

TEST_P(Experts, ChoicesDependOnTheCompany) {
  std::mt19937 random(3);
  const Matrix scores(random, 9, 40);
  const Routing routing{40, 6, true};
  for (const int n_threads : kThreadCounts) {
    const Workers workers(kernels(), n_threads);
    const Chosen all = choose(workers.compute(), routing, scores);
    for (int64_t t = 0; t < 9; ++t) {
      const std::vector<float> row(scores.row(t), scores.row(t) + 40);
      const Chosen alone = choose(compute(), routing, one_row(row));
      EXPECT_TRUE(std::equal(alone.experts.begin(), alone.experts.end(), all.experts.begin() + t * 6)) << t;
      EXPECT_TRUE(std::equal(alone.weights.begin(), alone.weights.end(), all.weights.begin() + t * 6)) << t;
    }
  }
}

TEST_P(Experts, RowsComeBackToOtherTokens) {
  std::mt19937 random(4);
  const Matrix rows(random, 5, 20);
  const Matrix before = rows;
  const std::vector<int32_t> tokens = {1, 4};
  const std::vector<float> weights = {0.5F, 2};
  const Matrix routed(2, 20);
  gather_rows(compute(), rows.rows(), tokens, routed.rows());
  add_weighted_rows(compute(), routed.rows(), tokens, weights, rows.rows());
  for (int64_t c = 0; c < 20; ++c) {
    EXPECT_EQ(rows.at(0, c), before.at(0, c));
    EXPECT_EQ(rows.at(1, c), before.at(1, c) + 0.5F * before.at(1, c));
    EXPECT_EQ(rows.at(4, c), before.at(4, c) + 2 * before.at(4, c));
  }
}

}  // namespace
}  // namespace flexinfer
