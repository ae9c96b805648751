// Layers that see a window only, and whose cache forgets what lies before it.
#include <gtest/gtest.h>

#include <algorithm>

#include "unit/model/forward_pass.h"
#include "unit/model/model_file.h"

namespace flexinfer {
namespace {

constexpr int32_t kPromptTokens = 600;  // more than two blocks of the cache

// A window on the first of two layers; a window of 0 on none.
class Windows : public ::testing::Test {
 protected:
  void SetUp() override {
    file_.architecture = "gemma2";
    file_.add_to_layers("post_attention_norm.weight", {64});
    file_.add_to_layers("post_ffw_norm.weight", {64});
    file_.integers["context_length"] = kPromptTokens;
  }
  Model with_window(uint32_t window) {
    file_.integers["attention.sliding_window"] = window;
    auto model = file_.read();
    EXPECT_TRUE(model) << error_of(model).message;
    return model ? std::move(*model) : Model{};
  }
  static PassOptions batches_of(int64_t n_tokens) {
    PassOptions options;
    options.limits = {n_tokens, n_tokens, kPromptTokens, 1};
    return options;
  }
  // Of every position, the prompt cut in pieces.
  std::vector<float> logits(const Model& model, size_t piece_tokens) const {
    ForwardPass pass(model, file_.path(), batches_of(static_cast<int64_t>(piece_tokens)));
    const std::vector<BatchToken> tokens = prompt(kPromptTokens);
    std::vector<float> joined;
    for (size_t begin = 0; begin < tokens.size(); begin += piece_tokens) {
      const auto piece = std::span(tokens).subspan(begin, std::min(piece_tokens, tokens.size() - begin));
      const std::vector<float> part = pass.forward(piece);
      joined.insert(joined.end(), part.begin(), part.end());
    }
    return joined;
  }

  ModelFile file_;
};

TEST_F(Windows, CacheForgetsWhatAWindowStillHolds) {
  for (const uint32_t window : {1U, 16U, 200U}) {
    const Model model = with_window(window);
    const std::vector<float> whole = logits(model, kPromptTokens);  // in one batch nothing is forgotten
    EXPECT_TRUE(same_bits(logits(model, 13), whole)) << window;
  }
}

TEST_F(Windows, LongestWindowDiffersFromNone) {
  const std::vector<float> none = logits(with_window(0), 100);
  EXPECT_TRUE(same_bits(logits(with_window(kPromptTokens), 100), none));
  EXPECT_FALSE(same_bits(logits(with_window(kPromptTokens - 1), 100), none));
}

TEST_F(Windows, CacheGrowsWithTheContextOnEveryLayer) {
  const Model model = with_window(16);
  const auto bytes = [&](int64_t context_length) {
    auto shape = kv_cache_shape(model.hyperparameters, CacheType::kF16, context_length);
    EXPECT_TRUE(shape);
    return std::pair(shape->layer_bytes(0), shape->layer_bytes(1));
  };
  EXPECT_EQ(bytes(4096).first, bytes(1024).first);
  EXPECT_EQ(bytes(4096).second, 4 * bytes(1024).second);
}

// Cut back as far as it goes, then other tokens: the same as if the first had never been.
TEST_F(Windows, CutBackSequenceSeesWhatIsLost) {
  const Model model = with_window(16);
  ForwardPass pass(model, file_.path(), batches_of(13));
  const auto shape = [&] {
    auto made = kv_cache_shape(model.hyperparameters, CacheType::kF32, kPromptTokens);
    made->n_batch_tokens = 13;
    return *made;
  }();
  const std::vector<BatchToken> tokens = prompt(kPromptTokens);
  constexpr size_t kSeen = 520;
  for (size_t begin = 0; begin < kSeen; begin += 13)
    pass.forward(std::span(tokens).subspan(begin, 13));
  const int64_t earliest = shape.earliest_resume(kSeen);
  ASSERT_GT(earliest, 0);
  ASSERT_LT(earliest, static_cast<int64_t>(kSeen));
  BatchToken next = tokens[static_cast<size_t>(earliest)];
  const std::vector<float> resumed = pass.forward({&next, 1});
  const std::vector<float> all = logits(model, 13);
  EXPECT_TRUE(same_bits(resumed, std::span(all).subspan(static_cast<size_t>(earliest) * 40, 40)));
}

TEST_F(Windows, ShortSequenceCannotBeCutBackToItsStart) {
  auto shape = kv_cache_shape(with_window(16).hyperparameters, CacheType::kF16, kPromptTokens);
  ASSERT_TRUE(shape);
  const int64_t capacity = shape->capacity(0);
  ASSERT_LT(capacity, kPromptTokens);
  EXPECT_EQ(shape->earliest_resume(0), 0);
  EXPECT_EQ(shape->earliest_resume(capacity), 0);
  EXPECT_EQ(shape->earliest_resume(capacity + 1), 16);
  EXPECT_EQ(shape->earliest_resume(capacity + 5), 20);
}

TEST_F(Windows, SequenceWithoutWindowsCannotBeCutBack) {
  const auto shape = kv_cache_shape(with_window(0).hyperparameters, CacheType::kF16, kPromptTokens);
  ASSERT_TRUE(shape);
  EXPECT_EQ(shape->earliest_resume(kPromptTokens), 0);
}

}  // namespace
}  // namespace flexinfer
