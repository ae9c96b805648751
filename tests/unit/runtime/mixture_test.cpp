// Sessions of a small made-up mixture: what they read is what the router chose, less what stays in memory.
#include <gtest/gtest.h>

#include <memory>

#include "base/bytes.h"
#include "flexinfer/engine.h"
#include "flexinfer/tools.h"
#include "support/files.h"
#include "support/sanitizer.h"

namespace flexinfer {
namespace {

constexpr uint64_t kExpertBytes = 3 * 256 * 512 / 32 * 18;  // gate, up and down in Q4_0

class Mixture : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    directory_ = std::make_unique<testing::TempDirectory>();
    const Status status = write_synthetic("tiny-mixture", "Q4_0", model_path(), 7, {});
    ASSERT_TRUE(status) << status.error().message;
  }
  static void TearDownTestSuite() { directory_.reset(); }
  static std::string model_path() { return directory_->path("mixture.gguf"); }

  // The smallest budget, or that part of the way to the one under which nothing streams.
  static EngineOptions options(double part) {
    EngineOptions options;
    options.context_length = 64;
    options.n_threads = 1;
    options.budget_bytes = uint64_t{4} << 30;
    const PlanSummary all = Engine::open(model_path(), options)->plan();
    const uint64_t streamed = all.full_budget_bytes - all.minimum_budget_bytes;
    options.budget_bytes =
        all.minimum_budget_bytes + static_cast<uint64_t>(part * static_cast<double>(streamed));
    if (testing::kSanitized) options.budget_bytes += 64 << 20;  // what a sanitizer keeps of freed memory
    return options;
  }

  struct Run {
    GenerateResult result;
    SessionStats stats;
    PlanSummary plan;
  };
  static Run run(const EngineOptions& options) {
    const auto engine = Engine::open(model_path(), options);
    EXPECT_TRUE(engine) << engine.error().message;
    auto session = engine->new_session();
    EXPECT_TRUE(session) << session.error().message;
    GenerateRequest request;
    request.prompt = {300, 317, 334};
    request.n_predict = 24;
    request.ignore_eos = true;
    request.sampling.temperature = 0;
    auto result = session->generate(request);
    EXPECT_TRUE(result) << result.error().message;
    return {std::move(*result), session->stats(), engine->plan()};
  }

  static inline std::unique_ptr<testing::TempDirectory> directory_;
};

TEST_F(Mixture, ReadsMoreThanTheChosenExpertsThatAreNotInMemory) {
  if (testing::kSanitized) GTEST_SKIP() << "a sanitizer's memory is not in the budget";
  for (const double part : {0.5, 0.8}) {
    const auto [result, stats, plan] = run(options(part));
    ASSERT_GT(plan.locked_expert_share, 0) << part;
    ASSERT_LT(plan.locked_expert_share, 1) << part;
    EXPECT_EQ(stats.decode_expert_hits + stats.decode_expert_misses,
              static_cast<uint64_t>(stats.decode_tokens) * 4 * 2);
    EXPECT_GT(stats.decode_expert_hits, 0U);
    // Pages that a matrix shares with its neighbours are read with it.
    const auto expected = static_cast<double>(stats.decode_expert_misses * kExpertBytes);
    const auto borders = static_cast<double>(stats.decode_expert_misses * 3 * kPageBytes);
    EXPECT_GE(static_cast<double>(stats.decode_bytes_read), expected);
    EXPECT_LE(static_cast<double>(stats.decode_bytes_read), expected + 2 * borders);
  }
}

TEST_F(Mixture, TokensDependOnTheBudget) {
  const std::vector<Token> tokens = run(options(1.1)).result.tokens;
  for (const double part : {0.0, 0.3, 0.9})
    EXPECT_EQ(run(options(part)).result.tokens, tokens) << part;
}

TEST_F(Mixture, PlanCountsOnTheWholeLayerForEveryToken) {
  EngineOptions nothing_locked = options(1.1);  // with room for slots in which page borders hardly count
  nothing_locked.lock = LockPolicy::kNone;
  const PlanSummary plan = Engine::open(model_path(), nothing_locked)->plan();
  EXPECT_EQ(plan.n_experts, 8);
  EXPECT_EQ(plan.n_experts_used, 2);
  const double all = static_cast<double>(plan.model_bytes);
  const double chosen =
      all - 4 * 6 * static_cast<double>(kExpertBytes);  // 6 of 8 are left alone in each layer
  EXPECT_LT(static_cast<double>(plan.streamed_bytes_per_sweep), chosen * 1.1);
}

}  // namespace
}  // namespace flexinfer
