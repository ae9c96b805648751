// The promise: a model five times its budget runs within a memory cgroup of exactly the budget, and says what
// it would say with all memory in the world.
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>

#include "integration/cli.h"
#include "integration/memory_cgroup.h"

namespace flexinfer::testing {
namespace {

class Promise : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    directory_ = std::make_unique<TempDirectory>();
    model_ = directory_->path("model.gguf");
    const ProcessResult synth = run_flexinfer({"synth", "tinyllama-1.1b", "--type", "Q4_0", "-o", model_});
    ASSERT_EQ(synth.exit_status, 0) << synth.err;
    budget_bytes_ = std::filesystem::file_size(model_) / 5;
  }

  static void TearDownTestSuite() { directory_.reset(); }

  void SetUp() override {
    if (kSanitized) GTEST_SKIP() << "a sanitizer's memory is not in the budget";
    group_ = MemoryCgroup::create(budget_bytes_);
    if (!group_)
      GTEST_SKIP() << "this machine grants no memory cgroup (that takes root and the memory controller)";
  }

  // Fails the test where the group was too small.
  Json run_in_group(const Arguments& options) {
    const Json json = run_json(run_arguments() + options, {.cgroup = group_->directory()});
    EXPECT_EQ(group_->n_killed(), 0U);
    return json;
  }

  static Arguments run_arguments() {
    return {"run", model_, "--tokens", "1,15,9,300,4000", "-n", "4", "--ignore-eos", "--temp",
            "0",   "-c",   "256"};
  }

  static std::unique_ptr<TempDirectory> directory_;
  static std::string model_;
  static uint64_t budget_bytes_;
  std::unique_ptr<MemoryCgroup> group_;
};

std::unique_ptr<TempDirectory> Promise::directory_;
std::string Promise::model_;
uint64_t Promise::budget_bytes_ = 0;

TEST_F(Promise, BudgetIsExceededOrChangesTheTokens) {
  const Json within = run_in_group({"--budget", std::to_string(budget_bytes_)});
  EXPECT_EQ(within.at("stats").at("budget_bytes"), budget_bytes_);
  EXPECT_LT(within.at("stats").at("peak_resident_bytes"), budget_bytes_);
  EXPECT_GT(within.at("stats").at("streamed_bytes_per_sweep"), 3 * budget_bytes_);
  const Json outside = run_json(run_arguments());
  EXPECT_EQ(outside.at("stats").at("streamed_bytes_per_sweep"), 0);
  EXPECT_EQ(within.at("tokens"), outside.at("tokens"));
}

TEST_F(Promise, DefaultBudgetOverlooksTheCgroup) {
  const Json within = run_in_group({});
  EXPECT_LE(within.at("stats").at("budget_bytes"), budget_bytes_);
}

TEST_F(Promise, LongPromptTakesMore) {
  std::string tokens = "1";
  for (int i = 1; i < 250; ++i)
    tokens += "," + std::to_string(3 + 97 * i % 31000);
  const ProcessResult result = run_flexinfer({"run", model_, "--tokens", tokens, "-n", "2", "--ignore-eos",
                                              "-q", "-c", "256", "--budget", std::to_string(budget_bytes_)},
                                             {.cgroup = group_->directory()});
  EXPECT_EQ(result.exit_status, 0) << result.err;
  EXPECT_EQ(group_->n_killed(), 0U);
}

}  // namespace
}  // namespace flexinfer::testing
