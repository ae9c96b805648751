// A trained model against the same model in PyTorch: tokens, logits, greedy text.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "flexinfer/engine.h"
#include "golden/model_case.h"
#include "support/files.h"
#include "support/paths.h"

namespace flexinfer::testing {
namespace {

const std::string kModel = shared("models/docs7m-F16.gguf");
const std::string kReference = shared("models/docs-reference.json");

class TrainedModel : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(kModel)) GTEST_SKIP() << kModel << " is not there";
    const auto json = nlohmann::json::parse(read_bytes(kReference));
    for (const auto& prompt : json.at("models").at("draft").at("prompts")) {
      texts_.push_back(prompt.at("text"));
      cases_.push_back({.model_path = kModel,
                        .prompt = prompt.at("ids_with_bos"),
                        .greedy = prompt.at("greedy"),
                        .greedy_margin = prompt.at("greedy_margin"),
                        .logits = prompt.at("logits_first_64"),
                        .n_vocab = 64});
    }
  }

  std::vector<std::string> texts_;
  std::vector<ModelCase> cases_;  // their logits: the first 64 after the last token of the prompt
};

std::vector<float> first_logits_after(const ModelCase& model, CacheType cache_type) {
  EngineOptions options = options_for(model);
  options.cache_type = cache_type;
  const std::vector<float> all = prompt_logits(model, options);
  const auto row = all.end() - static_cast<std::ptrdiff_t>(all.size() / model.prompt.size());
  return {row, row + static_cast<std::ptrdiff_t>(model.n_vocab)};
}

TEST_F(TrainedModel, TokensDifferFromTheReference) {
  const auto vocabulary = Vocabulary::open(kModel);
  ASSERT_TRUE(vocabulary) << vocabulary.error().message;
  for (size_t i = 0; i < cases_.size(); ++i) {
    const auto tokens = vocabulary->encode(texts_[i], false, true);
    ASSERT_TRUE(tokens) << tokens.error().message;
    EXPECT_EQ(*tokens, cases_[i].prompt) << texts_[i];
  }
}

TEST_F(TrainedModel, LogitsDifferFromTheReference) {
  for (const ModelCase& model : cases_) {
    EXPECT_LT(normalised_square_error(first_logits_after(model, CacheType::kF32), model.logits), 1e-8);
    EXPECT_LT(normalised_square_error(first_logits_after(model, CacheType::kF16), model.logits), 1e-5);
    EXPECT_LT(normalised_square_error(first_logits_after(model, CacheType::kQ8_0), model.logits), 1e-3);
  }
}

TEST_F(TrainedModel, GreedyTextDiffersFromTheReference) {
  for (const ModelCase& model : cases_) {
    const double error = largest_difference(first_logits_after(model, CacheType::kF32), model.logits);
    const std::vector<Token> tokens = greedy_continuation(model, options_for(model));
    const auto tie =
        std::ranges::find_if(model.greedy_margin, [&](double margin) { return margin < 4 * error; });
    const auto n_certain = static_cast<size_t>(tie - model.greedy_margin.begin());
    ASSERT_GE(n_certain, 5U) << "the error is too large to compare anything";
    ASSERT_GE(tokens.size(), n_certain);
    EXPECT_TRUE(std::equal(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(n_certain),
                           model.greedy.begin()));
  }
}

}  // namespace
}  // namespace flexinfer::testing
