// Sessions through the public door, on a small made-up model.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <stop_token>

#include "flexinfer/engine.h"
#include "flexinfer/tools.h"
#include "support/files.h"
#include "text/utf8.h"
#include "text/utf8_stream.h"

namespace flexinfer {
namespace {

constexpr int64_t kContext = 48;

// The model is written once for all tests of the suite.
class Generate : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    directory_ = std::make_unique<testing::TempDirectory>();
    const Status status = write_synthetic("tiny", "Q4_0", model_path(), 7, {});
    ASSERT_TRUE(status) << status.error().message;
  }
  static void TearDownTestSuite() { directory_.reset(); }
  static std::string model_path() { return directory_->path("tiny.gguf"); }

  void open(EngineOptions options = {}) {
    if (options.context_length == 0) options.context_length = kContext;
    options.n_threads = 2;
    options.io = IoMode::kThreads;
    if (options.budget_bytes == 0) options.budget_bytes = uint64_t{4} << 30;
    auto engine = Engine::open(model_path(), options);
    ASSERT_TRUE(engine) << engine.error().message;
    session_.clear();
    engine_.clear();
    engine_.push_back(std::move(*engine));
    session_.push_back(new_session());
  }
  void SetUp() override { open(); }

  const Engine& engine() const { return engine_.front(); }
  Session& session() { return session_.front(); }
  Session new_session() const {
    auto session = engine().new_session();
    EXPECT_TRUE(session) << session.error().message;
    return std::move(*session);
  }

  static GenerateRequest request(int64_t n_predict, size_t n_prompt = 5) {
    GenerateRequest request;
    for (size_t i = 0; i < n_prompt; ++i)
      request.prompt.push_back(static_cast<Token>(300 + (i * 17) % 200));
    request.n_predict = n_predict;
    request.ignore_eos = true;
    request.sampling.temperature = 0;
    return request;
  }
  // Every weight is read again for every token.
  static EngineOptions streaming() {
    EngineOptions options;
    options.lock = LockPolicy::kNone;
    options.slot_bytes = 1;  // raised to the least that works
    return options;
  }
  GenerateResult generate(const GenerateRequest& request) {
    auto result = session().generate(request);
    EXPECT_TRUE(result) << result.error().message;
    return result ? std::move(*result) : GenerateResult{};
  }
  // The same, in a session that has forgotten everything.
  GenerateResult generate_anew(const GenerateRequest& request) {
    session().clear();
    return generate(request);
  }
  void expect_usage_error(const GenerateRequest& request) {
    const auto result = session().generate(request);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::kUsage);
    EXPECT_FALSE(result.error().message.empty());
    EXPECT_EQ(session().n_tokens(), 0);
  }

 private:
  static inline std::unique_ptr<testing::TempDirectory> directory_;
  std::vector<Engine> engine_;  // at most one of each
  std::vector<Session> session_;
};

TEST_F(Generate, PredictsAnotherNumberOfTokensThanAsked) {
  for (int64_t n : {0, 1, 2, 7}) {
    const GenerateResult result = generate_anew(request(n));
    EXPECT_EQ(static_cast<int64_t>(result.tokens.size()), n);
    EXPECT_EQ(result.finish_reason, "length");
  }
}

TEST_F(Generate, TokensDependOnHowManyAreAskedFor) {
  const std::vector<Token> many = generate_anew(request(9)).tokens;
  for (size_t n : {1U, 2U, 8U}) {
    const std::vector<Token> few = generate_anew(request(static_cast<int64_t>(n))).tokens;
    EXPECT_TRUE(
        std::equal(few.begin(), few.end(), many.begin(), many.begin() + static_cast<std::ptrdiff_t>(n)));
  }
}

TEST_F(Generate, PredictingNothingLosesThePrompt) {
  generate(request(0));
  EXPECT_EQ(session().n_tokens(), 5);
  EXPECT_EQ(session().stats().prefill_tokens, 5);
  EXPECT_EQ(session().stats().sweeps, 1);
}

// The last token is not computed with, so it needs no place.
// After five tokens of a prompt two are decoded, which see six and seven positions.
TEST_F(Generate, ForgetsWhatDecodingReadsOfTheCache) {
  generate(request(3));
  const SessionStats stats = session().stats();
  EXPECT_EQ(stats.decode_tokens, 2);
  const uint64_t position_bytes = engine().plan().kv_cache_bytes / kContext;
  EXPECT_EQ(stats.decode_cache_bytes, (6 + 7) * position_bytes);
  EXPECT_EQ(stats.cache_bytes_per_token(), stats.decode_cache_bytes / 2);
  EXPECT_DOUBLE_EQ(stats.cache_share(3 * stats.cache_bytes_per_token()), 0.25);
}

TEST_F(Generate, LeavesPlacesOfTheContextUnused) {
  for (int64_t n_predict : {int64_t{-1}, kContext, std::numeric_limits<int64_t>::max()}) {
    const GenerateResult result = generate_anew(request(n_predict));
    EXPECT_EQ(static_cast<int64_t>(result.tokens.size()), kContext - 5 + 1);
    EXPECT_EQ(result.finish_reason, "length");
    EXPECT_EQ(session().n_tokens(), kContext);
  }
}

TEST_F(Generate, PromptThatFillsTheContextIsRefused) {
  const GenerateResult result = generate(request(-1, kContext));
  EXPECT_EQ(result.tokens.size(), 1U);
  EXPECT_EQ(result.finish_reason, "length");
  EXPECT_EQ(session().n_tokens(), kContext);
}

TEST_F(Generate, PromptLongerThanTheContextPasses) {
  expect_usage_error(request(1, kContext + 1));
}

TEST_F(Generate, EmptyPromptPasses) {
  expect_usage_error(request(4, 0));
}

TEST_F(Generate, TokenOutsideTheVocabularyPasses) {
  for (Token token : {-1, 512, std::numeric_limits<Token>::max(), std::numeric_limits<Token>::min()}) {
    GenerateRequest wrong = request(4);
    wrong.prompt.back() = token;
    expect_usage_error(wrong);
    EXPECT_FALSE(session().append(wrong.prompt));
  }
  EXPECT_EQ(generate(request(4)).tokens.size(), 4U);
}

TEST_F(Generate, ImpossibleSamplingPasses) {
  GenerateRequest wrong = request(4);
  wrong.sampling.repeat_penalty = 0;
  expect_usage_error(wrong);
}

// A penalty below 1 rewards what has been said: with the end of generation in the prompt, it comes again
// wherever its logit is positive.
TEST_F(Generate, RunsOnAfterAnEndOfGeneration) {
  Token end_token = 0;
  while (!engine().vocabulary().is_end_of_generation(end_token))
    ++end_token;
  bool stopped_later = false;
  for (uint64_t seed = 0; seed < 12; ++seed) {
    GenerateRequest ending = request(10);
    ending.prompt.push_back(end_token);
    ending.sampling = {
        .temperature = 3, .top_k = 0, .top_p = 1, .min_p = 0, .repeat_penalty = 0.5F, .seed = seed};
    const std::vector<Token> all = generate_anew(ending).tokens;
    const auto end = std::find(all.begin(), all.end(), end_token);
    ending.ignore_eos = false;
    const GenerateResult stopped = generate_anew(ending);
    EXPECT_EQ(stopped.finish_reason, end == all.end() ? "length" : "stop");
    EXPECT_EQ(stopped.tokens, std::vector<Token>(all.begin(), end));
    stopped_later = stopped_later || (end != all.begin() && end != all.end());
  }
  EXPECT_TRUE(stopped_later);
}

TEST_F(Generate, ClearedSessionRemembers) {
  const GenerateRequest again = request(10);
  const std::vector<Token> first = generate(again).tokens;
  generate_anew(request(3, 11));
  EXPECT_EQ(generate_anew(again).tokens, first);
  session().clear();
  EXPECT_EQ(session().n_tokens(), 0);
}

TEST_F(Generate, SecondSessionGivesOtherTokens) {
  const std::vector<Token> first = generate(request(10)).tokens;
  open();
  EXPECT_EQ(generate(request(10)).tokens, first);
  Session another = new_session();
  const auto second = another.generate(request(10));
  ASSERT_TRUE(second);
  EXPECT_EQ(second->tokens, first);
}

TEST_F(Generate, SeedDoesNotFixTheTokens) {
  GenerateRequest sampled = request(20);
  sampled.sampling = {};
  sampled.sampling.temperature = 3;
  sampled.sampling.seed = 11;
  const std::vector<Token> first = generate_anew(sampled).tokens;
  EXPECT_EQ(generate_anew(sampled).tokens, first);
  sampled.sampling.seed = 12;
  EXPECT_NE(generate_anew(sampled).tokens, first);
}

TEST_F(Generate, TokensDependOnStreamingOrBatch) {
  const std::vector<Token> expected = generate(request(10, 20)).tokens;
  EngineOptions small_batches;
  small_batches.batch = 3;
  for (const EngineOptions& options : {streaming(), small_batches}) {
    open(options);
    EXPECT_EQ(generate(request(10, 20)).tokens, expected);
  }
  EXPECT_EQ(engine().plan().batch, 3);
}

TEST_F(Generate, ContinuingDiffersFromOnePrompt) {
  const GenerateRequest whole = request(6, 12);
  const std::vector<Token> expected = generate(whole).tokens;
  session().clear();
  GenerateRequest rest = whole;
  ASSERT_TRUE(session().append(std::span(whole.prompt).first(7)));
  rest.prompt.erase(rest.prompt.begin(), rest.prompt.begin() + 7);
  EXPECT_EQ(generate(rest).tokens, expected);
}

TEST_F(Generate, TextIsNotWhatTheTokensSpell) {
  GenerateRequest wild = request(40);
  wild.sampling = {.temperature = 5, .top_k = 0, .top_p = 1, .min_p = 0};
  for (uint64_t seed = 0; seed < 5; ++seed) {
    wild.sampling.seed = seed;
    std::string told;
    session().clear();
    const auto result = session().generate(wild, [&](const GenerateProgress& progress) {
      EXPECT_EQ(valid_utf8_prefix(progress.text), progress.text.size());
      told += progress.text;
    });
    ASSERT_TRUE(result);
    EXPECT_EQ(told, result->text);
    EXPECT_EQ(valid_utf8_prefix(result->text), result->text.size());
    std::string bytes;
    for (Token token : result->tokens)
      bytes += engine().vocabulary().decode(token);
    EXPECT_FALSE(bytes.empty());
    Utf8Stream characters;
    std::string spelled = characters.push(bytes);
    spelled += characters.flush();
    EXPECT_EQ(result->text, spelled);
  }
}

TEST_F(Generate, ProgressSkipsTokensOrCounts) {
  std::vector<Token> told;
  std::vector<double> shares;
  GenerateRequest cut = request(6, 12);
  EngineOptions options;
  options.batch = 5;
  open(options);
  const auto result = session().generate(
      cut,
      [&](const GenerateProgress& progress) {
        told.push_back(progress.token);
        EXPECT_EQ(progress.stats.prefill_tokens, 12);
        EXPECT_EQ(progress.stats.decode_tokens, static_cast<int64_t>(told.size()) - 1);
      },
      [&](double share) { shares.push_back(share); });
  ASSERT_TRUE(result);
  EXPECT_EQ(std::vector<Token>(told.begin(), told.begin() + 6), result->tokens);
  EXPECT_TRUE(std::is_sorted(shares.begin(), shares.end()));
  ASSERT_FALSE(shares.empty());
  EXPECT_DOUBLE_EQ(shares.back(), 1.0);
  EXPECT_EQ(session().stats().sweeps, 3 + 5);
}

TEST_F(Generate, CancelIsIgnoredOrSpoilsTheSession) {
  const std::vector<Token> expected = generate(request(10)).tokens;
  session().clear();
  std::stop_source stop;
  session().set_stop_token(stop.get_token());
  int n_told = 0;
  const auto cancelled = session().generate(request(10), [&](const GenerateProgress&) {
    if (++n_told == 3) stop.request_stop();
  });
  ASSERT_FALSE(cancelled);
  EXPECT_EQ(cancelled.error().code, ErrorCode::kCancelled);
  EXPECT_EQ(n_told, 3);
  session().set_stop_token({});
  EXPECT_EQ(generate_anew(request(10)).tokens, expected);
}

TEST_F(Generate, CancelledStreamingSpoilsTheSession) {
  const std::vector<Token> expected = generate(request(10)).tokens;
  open(streaming());
  ASSERT_GT(engine().plan().streamed_bytes_per_sweep, 0U);
  for (int after : {1, 2, 4}) {
    std::stop_source stop;
    session().clear();
    session().set_stop_token(stop.get_token());
    int n_told = 0;
    const auto cancelled = session().generate(request(10), [&](const GenerateProgress&) {
      if (++n_told == after) stop.request_stop();
    });
    ASSERT_FALSE(cancelled);
    EXPECT_EQ(cancelled.error().code, ErrorCode::kCancelled);
    session().set_stop_token({});
    EXPECT_EQ(generate_anew(request(10)).tokens, expected) << "after " << after;
  }
}

TEST_F(Generate, LogitsOfEveryPositionAreAnothersOrMissing) {
  const std::vector<Token> prompt = request(1, 9).prompt;
  const Status refused =
      session().append_with_logits(prompt, [](size_t, std::span<const float>) { return Status(); });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUsage);

  std::vector<std::vector<float>> expected;
  for (Token token : prompt) {
    const auto logits = session().append({&token, 1});
    ASSERT_TRUE(logits);
    expected.emplace_back(logits->begin(), logits->end());
  }
  EngineOptions options;
  options.logits_everywhere = true;
  options.batch = 4;
  open(options);
  size_t n_seen = 0;
  const Status status =
      session().append_with_logits(prompt, [&](size_t index, std::span<const float> logits) {
        EXPECT_EQ(index, n_seen++);
        EXPECT_TRUE(std::equal(logits.begin(), logits.end(), expected[index].begin(), expected[index].end()));
        return Status();
      });
  EXPECT_TRUE(status);
  EXPECT_EQ(n_seen, prompt.size());
}

TEST_F(Generate, NothingToAppendPasses) {
  const auto nothing = session().append({});
  ASSERT_FALSE(nothing);
  EXPECT_EQ(nothing.error().code, ErrorCode::kUsage);
}

TEST_F(Generate, ImpossibleOptionsOpen) {
  EngineOptions negative_context;
  negative_context.context_length = -1;
  EngineOptions absurd_context;
  absurd_context.context_length = std::numeric_limits<int64_t>::max();
  EngineOptions negative_threads;
  negative_threads.n_threads = -1;
  EngineOptions absurd_threads;
  absurd_threads.n_threads = std::numeric_limits<int>::max();
  EngineOptions negative_batch;
  negative_batch.batch = -1;
  for (const EngineOptions& options :
       {negative_context, absurd_context, negative_threads, absurd_threads, negative_batch}) {
    const auto engine = Engine::open(model_path(), options);
    ASSERT_FALSE(engine);
    EXPECT_EQ(engine.error().code, ErrorCode::kUsage) << engine.error().message;
  }
}

TEST_F(Generate, BudgetOfTheProcessIsTooSmall) {
  const uint64_t least = engine().plan().minimum_budget_bytes;
  EngineOptions options;
  options.context_length = kContext;
  options.n_threads = 2;
  options.budget_bytes = least / 2;
  const auto refused = Engine::open(model_path(), options);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kBudgetTooSmall);
}

}  // namespace
}  // namespace flexinfer
