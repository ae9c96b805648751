// The numbers of an independent implementation, met; and the same bits wherever the weights are.
#include <gtest/gtest.h>

#include <algorithm>

#include "golden/model_case.h"
#include "support/sanitizer.h"

namespace flexinfer::testing {
namespace {

class Golden : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (kernels_are_missing()) GTEST_SKIP() << "this machine cannot run the kernels of FLEXINFER_KERNELS";
    model_ = load_golden(GetParam());
    options_ = options_for(model_);
    logits_ = prompt_logits(model_, options_);
  }

  // A budget that holds only what must be resident. A sanitizer leaves budgets unknown: then nothing is
  // locked instead.
  EngineOptions streaming(EngineOptions options) const {
    if (kSanitized) {
      options.lock = LockPolicy::kNone;
      return options;
    }
    const auto engine = Engine::open(model_.model_path, options);
    EXPECT_TRUE(engine) << engine.error().message;
    if (engine) options.budget_bytes = engine->plan().minimum_budget_bytes;
    return options;
  }

  void expect_same_bits(const EngineOptions& options) {
    EXPECT_TRUE(std::ranges::equal(prompt_logits(model_, options), logits_));
  }

  ModelCase model_;
  EngineOptions options_;      // everything in memory
  std::vector<float> logits_;  // with these options
};

INSTANTIATE_TEST_SUITE_P(Models, Golden,
                         ::testing::Values("llama2-mha", "llama-gqa-tied", "llama31-rope", "mistral", "qwen2",
                                           "qwen3", "phi3", "gemma2", "gemma3", "mixtral", "qwen3moe",
                                           "olmoe", "gpt-oss"),
                         [](const auto& instance) {
                           std::string name = instance.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

size_t arg_max(const std::vector<float>& logits, size_t position, size_t n_vocab) {
  const auto first = logits.begin() + static_cast<std::ptrdiff_t>(position * n_vocab);
  return static_cast<size_t>(std::max_element(first, first + static_cast<std::ptrdiff_t>(n_vocab)) - first);
}

TEST_P(Golden, LogitsDifferFromTheReference) {
  ASSERT_EQ(logits_.size(), model_.logits.size());
  EXPECT_LT(normalised_square_error(logits_, model_.logits), 1e-8);
  for (size_t i = 0; i < model_.n_positions(); ++i) {
    EXPECT_EQ(arg_max(logits_, i, model_.n_vocab), arg_max(model_.logits, i, model_.n_vocab))
        << "position " << i;
  }
}

TEST_P(Golden, HalfPrecisionCacheLosesTooMuch) {
  options_.cache_type = CacheType::kF16;
  EXPECT_LT(normalised_square_error(prompt_logits(model_, options_), model_.logits), 1e-5);
}

// Equal up to the first step that rounding alone could decide otherwise.
TEST_P(Golden, GreedyContinuationDiffersFromTheReference) {
  const double error = largest_difference(logits_, model_.logits);
  const std::vector<Token> tokens = greedy_continuation(model_, options_);
  ASSERT_EQ(tokens.size(), model_.greedy.size());
  const auto tie =
      std::ranges::find_if(model_.greedy_margin, [&](double margin) { return margin < 2 * error; });
  const auto n_certain = static_cast<size_t>(tie - model_.greedy_margin.begin());
  ASSERT_GE(n_certain, 5U) << "the error is too large to compare anything";
  for (size_t i = 0; i < n_certain; ++i)
    EXPECT_EQ(tokens[i], model_.greedy[i]) << "step " << i;
}

TEST_P(Golden, BitsDependOnTheBudget) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer's memory is not in the budget";
  const EngineOptions smallest = streaming(options_);
  const auto engine = Engine::open(model_.model_path, smallest);
  ASSERT_TRUE(engine) << engine.error().message;
  ASSERT_GT(engine->plan().streamed_bytes_per_sweep, 0U) << "nothing streams, so there is nothing to compare";
  expect_same_bits(smallest);
  const PlanSummary& plan = engine->plan();
  EngineOptions between = options_;
  between.budget_bytes = (plan.minimum_budget_bytes + plan.full_budget_bytes) / 2;
  expect_same_bits(between);
}

TEST_P(Golden, BitsDependOnThePiecesOfThePrompt) {
  for (const size_t piece_tokens : {1U, 3U, 7U}) {
    EXPECT_TRUE(std::ranges::equal(prompt_logits(model_, options_, piece_tokens), logits_)) << piece_tokens;
  }
}

TEST_P(Golden, BitsDependOnTheBatch) {
  for (const int64_t batch : {1, 3, 40}) {
    SCOPED_TRACE(batch);
    EngineOptions options = options_;
    options.batch = batch;
    expect_same_bits(options);
    expect_same_bits(streaming(options));
  }
}

TEST_P(Golden, BitsDependOnTheThreads) {
  for (const int n_threads : {1, 2, 3}) {
    SCOPED_TRACE(n_threads);
    EngineOptions options = options_;
    options.n_threads = n_threads;
    expect_same_bits(options);
    expect_same_bits(streaming(options));
  }
}

TEST_P(Golden, BitsDependOnWhatIsLocked) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer's memory is not in the budget";
  for (const LockPolicy lock : {LockPolicy::kBalanced, LockPolicy::kPrefix, LockPolicy::kNone}) {
    for (const Preservation preserve :
         {Preservation::kFlexible, Preservation::kAttention, Preservation::kFfn}) {
      SCOPED_TRACE(std::string(to_string(lock)) + " " + std::string(to_string(preserve)));
      EngineOptions options = options_;
      options.lock = lock;
      options.preserve = preserve;
      const auto engine = Engine::open(model_.model_path, options);
      ASSERT_TRUE(engine) << engine.error().message;
      options.budget_bytes = (engine->plan().minimum_budget_bytes + engine->plan().full_budget_bytes) / 2;
      expect_same_bits(options);
    }
  }
}

TEST_P(Golden, BitsDependOnTheReader) {
  for (const IoMode io : {IoMode::kAuto, IoMode::kUring, IoMode::kThreads, IoMode::kSync, IoMode::kMmap}) {
    SCOPED_TRACE(to_string(io));
    EngineOptions options = options_;
    options.io = io;
    expect_same_bits(streaming(options));
  }
}

TEST_P(Golden, AClearedSessionRemembers) {
  const auto engine = Engine::open(model_.model_path, options_);
  ASSERT_TRUE(engine) << engine.error().message;
  auto session = engine->new_session();
  ASSERT_TRUE(session) << session.error().message;
  const auto last_logits = [&] {
    const auto logits = session->append(model_.prompt);
    EXPECT_TRUE(logits) << logits.error().message;
    return logits ? std::vector<float>(logits->begin(), logits->end()) : std::vector<float>{};
  };
  const std::vector<float> first = last_logits();
  EXPECT_EQ(session->n_tokens(), static_cast<int64_t>(model_.prompt.size()));
  session->clear();
  EXPECT_EQ(session->n_tokens(), 0);
  EXPECT_EQ(last_logits(), first);
}

TEST_P(Golden, ARewoundSessionRemembers) {
  const auto engine = Engine::open(model_.model_path, options_);
  ASSERT_TRUE(engine) << engine.error().message;
  auto session = engine->new_session();
  ASSERT_TRUE(session) << session.error().message;
  const std::span prompt(model_.prompt);
  const size_t kept = prompt.size() / 2;
  ASSERT_TRUE(session->append(prompt.first(kept)));
  ASSERT_TRUE(session->append(model_.greedy));  // what is to be forgotten
  const Status rewound = session->rewind(static_cast<int64_t>(kept));
  ASSERT_TRUE(rewound) << rewound.error().message;
  EXPECT_EQ(session->n_tokens(), static_cast<int64_t>(kept));
  const auto logits = session->append(prompt.subspan(kept));
  ASSERT_TRUE(logits) << logits.error().message;
  EXPECT_TRUE(std::ranges::equal(*logits, std::span(logits_).last(model_.n_vocab)));
}

// Layers with a window of 16 forget: 300 tokens on, they know nothing of the first ones.
TEST(Rewind, SessionGoesOnWithoutWhatItsWindowsHaveLost) {
  if (kernels_are_missing()) GTEST_SKIP() << "this machine cannot run the kernels of FLEXINFER_KERNELS";
  const ModelCase model = load_golden("gemma2");
  EngineOptions options = options_for(model);
  options.context_length = 400;
  options.batch = 10;
  const auto engine = Engine::open(model.model_path, options);
  ASSERT_TRUE(engine) << engine.error().message;
  auto session = engine->new_session();
  ASSERT_TRUE(session) << session.error().message;
  std::vector<Token> tokens(300, model.prompt.front());
  ASSERT_TRUE(session->append(tokens));
  const Status lost = session->rewind(10);
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code, ErrorCode::kUsage);
  EXPECT_EQ(session->n_tokens(), 300);
  EXPECT_FALSE(session->rewind(301));
  EXPECT_FALSE(session->rewind(-1));
  EXPECT_TRUE(session->rewind(290));
  EXPECT_FALSE(session->rewind(10));
  EXPECT_TRUE(session->rewind(0));
  EXPECT_EQ(session->n_tokens(), 0);
}

}  // namespace
}  // namespace flexinfer::testing
