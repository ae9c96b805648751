#include "model/transformer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/bytes.h"
#include "unit/model/forward_pass.h"
#include "unit/model/model_file.h"

namespace flexinfer {
namespace {

class Forward : public ::testing::Test {
 protected:
  void SetUp() override { read(); }
  void read() {
    auto model = file_.read();
    ASSERT_TRUE(model) << error_of(model).message;
    model_ = std::move(*model);
  }
  std::vector<float> logits(const PassOptions& options = {}) const {
    return ForwardPass(model_, file_.path(), options).forward(prompt(9));
  }

  ModelFile file_;
  Model model_;
};

TEST_F(Forward, GivesOtherNumbersOfLogitsThanAreWanted) {
  ForwardPass all(model_, file_.path(), {});
  const std::vector<float> expected = all.forward(prompt(6));
  ASSERT_EQ(expected.size(), 6U * 40U);
  EXPECT_TRUE(std::all_of(expected.begin(), expected.end(), [](float x) { return std::isfinite(x); }));

  std::vector<BatchToken> batch = prompt(6);
  for (size_t t : {0U, 2U, 3U, 5U})
    batch[t].wants_logits = false;
  ForwardPass some(model_, file_.path(), {});
  const std::vector<float> wanted = some.forward(batch);
  ASSERT_EQ(wanted.size(), 2U * 40U);
  EXPECT_TRUE(same_bits(std::span(wanted).first(40), std::span(expected).subspan(40, 40)));
  EXPECT_TRUE(same_bits(std::span(wanted).last(40), std::span(expected).subspan(4 * 40, 40)));
}

TEST_F(Forward, BitsDependOnHowWeightsArrive) {
  const std::vector<float> expected = logits();
  for (int64_t rows_at_once : {1, 5, 16, 33}) {
    PassOptions options;
    options.rows_at_once = rows_at_once;
    EXPECT_TRUE(same_bits(logits(options), expected)) << rows_at_once << " rows at once";
  }
}

TEST_F(Forward, BitsDependOnTheNumberOfThreads) {
  const std::vector<float> expected = logits();
  for (int n_threads : {2, 3, 5}) {
    PassOptions options;
    options.n_threads = n_threads;
    EXPECT_TRUE(same_bits(logits(options), expected)) << n_threads << " threads";
  }
}

// Buffers that lie elsewhere: one that ran into its neighbour would show.
TEST_F(Forward, BitsDependOnTheLimits) {
  PassOptions tight;
  tight.limits = {9, 9, 9, 1};
  PassOptions wide;
  wide.limits = {100, 50, 300, 1};
  EXPECT_TRUE(same_bits(logits(tight), logits(wide)));
}

TEST_F(Forward, BitsDependOnHowThePromptIsCut) {
  const std::vector<BatchToken> tokens = prompt(11);
  ForwardPass whole(model_, file_.path(), {});
  const std::vector<float> expected = whole.forward(tokens);
  for (size_t chunk : {1U, 2U, 4U, 10U}) {
    ForwardPass cut(model_, file_.path(), {});
    std::vector<float> joined;
    for (size_t begin = 0; begin < tokens.size(); begin += chunk) {
      const auto part = cut.forward(std::span(tokens).subspan(begin, std::min(chunk, tokens.size() - begin)));
      joined.insert(joined.end(), part.begin(), part.end());
    }
    EXPECT_TRUE(same_bits(joined, expected)) << "chunks of " << chunk;
  }
}

TEST_F(Forward, BitsDependOnTheCompanyInTheBatch) {
  PassOptions options;
  options.n_sequences = 2;
  std::vector<BatchToken> both;
  for (size_t t = 0; t < 5; ++t) {
    both.push_back(prompt(5, 1)[t]);
    both.push_back(prompt(5, 0)[t]);
  }
  ForwardPass together(model_, file_.path(), options);
  const std::vector<float> shared = together.forward(both);
  for (int32_t sequence = 0; sequence < 2; ++sequence) {
    ForwardPass alone(model_, file_.path(), options);
    const std::vector<float> expected = alone.forward(prompt(5, sequence));
    for (size_t t = 0; t < 5; ++t) {
      const size_t place = 2 * t + (sequence == 0 ? 1 : 0);
      EXPECT_TRUE(
          same_bits(std::span(shared).subspan(place * 40, 40), std::span(expected).subspan(t * 40, 40)))
          << "sequence " << sequence << ", token " << t;
    }
  }
}

TEST_F(Forward, HeadIsReadThoughNobodyWantsLogits) {
  ForwardPass run(model_, file_.path(), {});
  std::vector<BatchToken> batch = prompt(4);
  for (BatchToken& token : batch)
    token.wants_logits = false;
  EXPECT_TRUE(run.forward(batch).empty());
  EXPECT_EQ(run.weights().acquired().back() + 1, model_.schedule.head_step());
  EXPECT_FALSE(run.weights().sweeps().back().with_head);

  run.forward(prompt(1));
  EXPECT_EQ(run.weights().acquired().back(), model_.schedule.head_step());
  EXPECT_TRUE(run.weights().sweeps().back().with_head);
}

TEST_F(Forward, SourceIsNotToldWhetherASweepFollows) {
  ForwardPass run(model_, file_.path(), {});
  for (bool another_follows : {true, false, true}) {
    ASSERT_TRUE(run.try_forward(prompt(2), another_follows));
    EXPECT_EQ(run.weights().sweeps().back().another_follows, another_follows);
  }
  EXPECT_EQ(run.weights().sweeps().size(), 3U);
}

TEST_F(Forward, ProgressFallsOrEndsBeforeOne) {
  ForwardPass run(model_, file_.path(), {});
  std::vector<double> shares;
  ASSERT_TRUE(run.transformer().forward(prompt(2), false, [&](double share) { shares.push_back(share); }));
  ASSERT_EQ(shares.size(), 3U);
  EXPECT_TRUE(std::is_sorted(shares.begin(), shares.end()));
  EXPECT_GT(shares.front(), 0.0);
  EXPECT_EQ(shares.back(), 1.0);
}

TEST_F(Forward, ErrorInTheMiddleIsSwallowed) {
  PassOptions options;
  options.rows_at_once = 30;
  ForwardPass run(model_, file_.path(), options);
  const std::vector<float> expected = run.forward(prompt(3));
  for (size_t step = 0; step < model_.schedule.steps.size(); ++step) {
    for (int64_t row : {0, 30}) {
      run.weights().fail_at(step, row, {ErrorCode::kIo, "the disk is gone"});
      const auto failed = run.try_forward(prompt(3));
      ASSERT_FALSE(failed) << "step " << step;
      EXPECT_EQ(failed.error().code, ErrorCode::kIo);
      EXPECT_EQ(failed.error().message, "the disk is gone");
      EXPECT_EQ(run.weights().n_leases(), 0);
      run.weights().heal();
      EXPECT_TRUE(same_bits(run.forward(prompt(3)), expected)) << "after an error at step " << step;
    }
  }
}

TEST_F(Forward, ErrorOfALookUpIsSwallowed) {
  ForwardPass run(model_, file_.path(), {});
  run.weights().fail_look_ups({ErrorCode::kCancelled, "cancelled"});
  const auto failed = run.try_forward(prompt(3));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::kCancelled);
}

TEST_F(Forward, BiasIsNotAdded) {
  const std::vector<float> without = logits();
  const std::pair<const char*, uint64_t> biases[] = {{"blk.0.attn_q.bias", 64},
                                                     {"blk.0.attn_k.bias", 32},
                                                     {"blk.1.attn_v.bias", 32},
                                                     {"blk.1.attn_output.bias", 64}};
  for (const auto& [name, size] : biases) {
    file_.tensors.erase(name);
    file_.add(name, {size});
    read();
    EXPECT_FALSE(same_bits(logits(), without)) << name;
    file_.tensors.erase(name);
  }
}

TEST_F(Forward, RopeFactorsAreNotUsed) {
  const std::vector<float> without = logits();
  file_.add("rope_freqs.weight", {8});
  read();
  const std::vector<float> with = logits();
  EXPECT_TRUE(
      same_bits(std::span(with).first(40), std::span(without).first(40)));  // position 0 is not turned
  EXPECT_FALSE(same_bits(with, without));
}

// The buffers that every forward pass has, from the shapes alone; borders and scratch come on top.
TEST_F(Forward, ActivationsTakeLessThanTheirShapes) {
  const Hyperparameters& hp = model_.hyperparameters;
  for (const BatchLimits& limits :
       {BatchLimits{1, 1, 10, 1}, BatchLimits{8, 1, 100, 2}, BatchLimits{64, 64, 1000, 4}}) {
    const int64_t floats =
        limits.n_tokens * (2 * hp.hidden_dim + 2 * hp.q_dim() + 2 * hp.kv_dim() + 2 * hp.ffn_dim) +
        limits.n_threads * limits.context_length + limits.n_logits * hp.vocab_size;
    const uint64_t bytes = Transformer::activation_bytes(model_, limits);
    EXPECT_GE(bytes, static_cast<uint64_t>(floats) * sizeof(float));
    EXPECT_EQ(bytes % kPageBytes, 0U);
  }
}

TEST_F(Forward, ActivationsDoNotGrowWithTheLimits) {
  const BatchLimits base = {64, 1, 4096, 2};
  const uint64_t bytes = Transformer::activation_bytes(model_, base);
  for (const BatchLimits& more : {BatchLimits{128, 1, 4096, 2}, BatchLimits{64, 64, 4096, 2},
                                  BatchLimits{64, 1, 8192, 2}, BatchLimits{64, 1, 4096, 4}}) {
    EXPECT_GT(Transformer::activation_bytes(model_, more), bytes);
  }
}

}  // namespace
}  // namespace flexinfer
