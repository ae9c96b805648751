// Models with experts: what their files must hold, and that a token's experts are no business of the others.
#include <gtest/gtest.h>

#include "unit/model/forward_pass.h"

namespace flexinfer {
namespace {

constexpr uint64_t kExperts = 4;
constexpr uint64_t kHidden = 64;
constexpr uint64_t kFfn = 32;

class Mixtures : public ::testing::Test {
 protected:
  Mixtures() {
    for (const char* name : {"ffn_gate.weight", "ffn_up.weight", "ffn_down.weight"})
      file_.remove_from_layers(name);
    file_.add_to_layers("ffn_gate_inp.weight", {kHidden, kExperts});
    file_.add_to_layers("ffn_gate_exps.weight", {kHidden, kFfn, kExperts});
    file_.add_to_layers("ffn_up_exps.weight", {kHidden, kFfn, kExperts});
    file_.add_to_layers("ffn_down_exps.weight", {kFfn, kHidden, kExperts});
    file_.integers["expert_count"] = kExperts;
    file_.integers["expert_used_count"] = 2;
    file_.integers["expert_feed_forward_length"] = kFfn;
  }
  Model read() const {
    auto model = file_.read();
    EXPECT_TRUE(model) << error_of(model).message;
    return model ? std::move(*model) : Model{};
  }
  void expect_refusal(ErrorCode code, const std::string& word) const {
    const Error error = error_of(file_.read());
    EXPECT_EQ(error.code, code) << error.message;
    EXPECT_NE(error.message.find(word), std::string::npos) << error.message;
  }

  ModelFile file_;
};

TEST_F(Mixtures, ExpertsLieElsewhereThanInTheFile) {
  const Model model = read();
  const WeightSchedule& schedule = model.schedule;
  ASSERT_EQ(schedule.expert_blocks.size(), 2U);
  EXPECT_EQ(schedule.n_experts_used, 2);
  const GgufFile file = std::move(*file_.open());
  const Extent up = file.find_tensor("blk.1.ffn_up_exps.weight")->extent;
  const WeightStep& step = schedule.steps[schedule.expert_blocks[1].step_of(3) + 1];
  EXPECT_EQ(step.name, "blk.1.ffn_up_exps.weight[3]");
  EXPECT_EQ(step.block, 1);
  EXPECT_EQ(step.layer, 1);
  EXPECT_EQ(step.role, Role::kFfnUp);
  EXPECT_EQ(step.rows, static_cast<int64_t>(kFfn));
  EXPECT_EQ(step.extent.size, up.size / kExperts);
  EXPECT_EQ(step.extent.offset, up.offset + 3 * up.size / kExperts);
  EXPECT_DOUBLE_EQ(schedule.use_share(step), 0.5);
}

TEST_F(Mixtures, RouterIsReadAfterItsExperts) {
  const Model model = read();
  const ExpertWeights& experts = *model.layers[1].experts;
  EXPECT_EQ(model.schedule.steps[experts.router].role, Role::kRouter);
  EXPECT_EQ(experts.router + 1, model.schedule.expert_blocks[experts.block].first_step);
}

TEST_F(Mixtures, WrongNumbersOfExpertsPass) {
  file_.integers["expert_used_count"] = kExperts + 1;
  expect_refusal(ErrorCode::kCorrupt, "expert_used_count");
  file_.integers["expert_used_count"] = 2;
  file_.integers["expert_count"] = kExperts + 1;
  expect_refusal(ErrorCode::kCorrupt, "ffn_gate_inp.weight");
  file_.integers["expert_count"] = 1U << 20;
  expect_refusal(ErrorCode::kCorrupt, "expert_count");
}

TEST_F(Mixtures, FamiliesOfMixturesPassWithoutExperts) {
  file_.architecture = "qwen3moe";
  file_.integers["expert_count"] = 0;
  expect_refusal(ErrorCode::kCorrupt, "expert_count");
}

TEST_F(Mixtures, BiasesOfOtherLengthsPass) {
  file_.add_to_layers("ffn_down_exps.bias", {kHidden, kExperts - 1});
  expect_refusal(ErrorCode::kCorrupt, "ffn_down_exps.bias");
}

// Sixteen tokens at once, and one by one; whole matrices, and rows as they come.
TEST_F(Mixtures, BitsDependOnTheCompanyOfATokenOrOnThePiecesOfAnExpert) {
  file_.add_to_layers("ffn_gate_exps.bias", {kFfn, kExperts});
  const Model model = read();
  ForwardPass pass(model, file_.path(), {});
  std::vector<BatchToken> batch;
  for (int32_t t = 0; t < 16; ++t)
    batch.push_back({t * 7 % 40, t, 0, true});
  const std::vector<float> together = pass.forward(batch);
  ForwardPass alone(model, file_.path(), {.rows_at_once = 5, .n_threads = 2});
  for (size_t t = 0; t < batch.size(); ++t) {
    const std::vector<float> logits = alone.forward({&batch[t], 1});
    EXPECT_TRUE(std::equal(logits.begin(), logits.end(),
                           together.begin() + static_cast<std::ptrdiff_t>(t * logits.size())))
        << t;
  }
}

TEST_F(Mixtures, ExpertsAreUsedThatNoTokenChose) {
  const Model model = read();
  ForwardPass pass(model, file_.path(), {});
  const BatchToken token{3, 0, 0, true};
  pass.forward({&token, 1});
  size_t n_used = 0;
  for (const size_t step : pass.weights().acquired())
    n_used += model.schedule.steps[step].is_expert() ? 1 : 0;
  EXPECT_EQ(n_used, 2 * 2 * kExpertMatrices);
}

TEST_F(Mixtures, FailedExpertIsNotReported) {
  const Model model = read();
  ForwardPass pass(model, file_.path(), {});
  pass.weights().fail_at(model.schedule.head_step() - 1, 0, {ErrorCode::kIo, "gone"});
  std::vector<BatchToken> batch;
  for (int32_t t = 0; t < 16; ++t)
    batch.push_back({t, t, 0, true});
  EXPECT_EQ(error_of(pass.try_forward(batch)).code, ErrorCode::kIo);
  pass.weights().heal();
  EXPECT_TRUE(pass.try_forward(batch));
}

}  // namespace
}  // namespace flexinfer
