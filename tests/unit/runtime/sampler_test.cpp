#include "runtime/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <string>

namespace flexinfer {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNotANumber = std::numeric_limits<float>::quiet_NaN();

// Everything off.
SamplingOptions plain() {
  return {.temperature = 1, .top_k = 0, .top_p = 1, .min_p = 0, .repeat_penalty = 1, .seed = 1};
}

SamplingOptions greedy() {
  SamplingOptions options = plain();
  options.temperature = 0;
  return options;
}

// The logits of these probabilities.
std::vector<float> logits_of(const std::vector<double>& probabilities) {
  std::vector<float> logits;
  for (double p : probabilities)
    logits.push_back(static_cast<float>(std::log(p)));
  return logits;
}

// How often each token comes in n draws.
std::map<Token, int> draw(const SamplingOptions& options, const std::vector<float>& logits, int n) {
  Sampler sampler(options);
  std::map<Token, int> counts;
  for (int i = 0; i < n; ++i)
    ++counts[sampler.sample(logits)];
  return counts;
}

// What can come at all.
std::set<Token> drawn(const SamplingOptions& options, const std::vector<float>& logits) {
  std::set<Token> tokens;
  for (const auto& [token, count] : draw(options, logits, 5000))
    tokens.insert(token);
  return tokens;
}

TEST(Sampler, GreedyTakesAnotherThanTheBest) {
  Sampler sampler(greedy());
  EXPECT_EQ(sampler.sample(std::vector<float>{1, 3, 2}), 1);
  EXPECT_EQ(sampler.sample(std::vector<float>{-5, -3, -2}), 2);
  EXPECT_EQ(sampler.sample(std::vector<float>{7}), 0);
}

TEST(Sampler, GreedyTakesALaterOneOfEquals) {
  Sampler sampler(greedy());
  EXPECT_EQ(sampler.sample(std::vector<float>{1, 4, 4, 2, 4}), 1);
  EXPECT_EQ(sampler.sample(std::vector<float>{0, 0, 0}), 0);
}

TEST(Sampler, OneCandidateLeavesAChoice) {
  SamplingOptions options = plain();
  options.top_k = 1;
  options.temperature = 100;
  EXPECT_EQ(drawn(options, {1, 2, 5, 4}), (std::set<Token>{2}));
}

TEST(Sampler, TopKKeepsAnotherSet) {
  SamplingOptions options = plain();
  const std::vector<float> logits = {0.1f, 0.5f, 0.4f, 0.5f, 0.2f, 0.3f};
  options.top_k = 3;
  EXPECT_EQ(drawn(options, logits), (std::set<Token>{1, 2, 3}));
  options.top_k = 100;
  EXPECT_EQ(drawn(options, logits).size(), logits.size());
  options.top_k = 0;
  EXPECT_EQ(drawn(options, logits).size(), logits.size());
}

TEST(Sampler, TopKBreaksATieForTheLaterToken) {
  SamplingOptions options = plain();
  options.top_k = 2;
  EXPECT_EQ(drawn(options, {1, 2, 1, 1}), (std::set<Token>{0, 1}));
}

TEST(Sampler, TopPKeepsAnotherSet) {
  SamplingOptions options = plain();
  const std::vector<float> logits = logits_of({0.1, 0.4, 0.2, 0.3});
  // The set ends with the token that reaches p.
  const std::pair<float, std::set<Token>> cases[] = {
      {0.0f, {1}},        {0.39f, {1}},          {0.41f, {1, 3}},     {0.69f, {1, 3}},
      {0.71f, {1, 2, 3}}, {0.91f, {0, 1, 2, 3}}, {1.0f, {0, 1, 2, 3}}};
  for (const auto& [top_p, expected] : cases) {
    options.top_p = top_p;
    EXPECT_EQ(drawn(options, logits), expected) << top_p;
  }
}

TEST(Sampler, MinPKeepsAnotherSet) {
  SamplingOptions options = plain();
  const std::vector<float> logits = logits_of({0.1, 0.4, 0.2, 0.3});
  const std::pair<float, std::set<Token>> cases[] = {{0.0f, {0, 1, 2, 3}}, {0.24f, {0, 1, 2, 3}},
                                                     {0.26f, {1, 2, 3}},   {0.51f, {1, 3}},
                                                     {0.76f, {1}},         {1.0f, {1}}};
  for (const auto& [min_p, expected] : cases) {
    options.min_p = min_p;
    EXPECT_EQ(drawn(options, logits), expected) << min_p;
  }
}

TEST(Sampler, TopPSeesWhatTopKHasDropped) {
  SamplingOptions options = plain();
  options.top_k = 2;
  options.top_p = 0.55f;  // of the two that are left, the best has 4/7
  EXPECT_EQ(drawn(options, logits_of({0.1, 0.4, 0.2, 0.3})), (std::set<Token>{1}));
}

TEST(Sampler, PenaltyMakesARepeatLikelier) {
  SamplingOptions options = greedy();
  options.repeat_penalty = 2;
  Sampler positive(options);
  positive.accept(1);
  EXPECT_EQ(positive.sample(std::vector<float>{3, 4, 1}), 0);
  EXPECT_EQ(positive.sample(std::vector<float>{1.9f, 4, 1}), 1);
  Sampler negative(options);
  negative.accept(1);
  EXPECT_EQ(negative.sample(std::vector<float>{-3, -2, -5}), 0);
  EXPECT_EQ(negative.sample(std::vector<float>{-4.1f, -2, -5}), 1);
}

TEST(Sampler, PenaltyCountsARepeatTwice) {
  SamplingOptions options = greedy();
  options.repeat_penalty = 2;
  Sampler sampler(options);
  for (int i = 0; i < 10; ++i)
    sampler.accept(1);
  EXPECT_EQ(sampler.sample(std::vector<float>{1.9f, 4, 1}), 1);
}

TEST(Sampler, PenaltyForgetsOrRemembersTooMuch) {
  SamplingOptions options = greedy();
  options.repeat_penalty = 10;
  Sampler sampler(options);
  sampler.accept(1);
  for (int i = 0; i < 63; ++i)
    sampler.accept(2);
  EXPECT_EQ(sampler.sample(std::vector<float>{3, 4, 1}), 0);
  sampler.accept(2);  // the 64th after it
  EXPECT_EQ(sampler.sample(std::vector<float>{3, 4, 1}), 1);
}

TEST(Sampler, PenaltyReachesOutsideTheLogits) {
  SamplingOptions options = greedy();
  options.repeat_penalty = 2;
  Sampler sampler(options);
  for (Token token : {-1, 3, 1000000})
    sampler.accept(token);
  EXPECT_EQ(sampler.sample(std::vector<float>{3, 4, 1}), 1);
}

TEST(Sampler, SeedDoesNotFixTheSequence) {
  const std::vector<float> logits(50, 0.0f);
  auto sequence = [&](uint64_t seed) {
    SamplingOptions options = plain();
    options.seed = seed;
    Sampler sampler(options);
    std::vector<Token> tokens;
    for (int i = 0; i < 100; ++i)
      tokens.push_back(sampler.sample(logits));
    return tokens;
  };
  EXPECT_EQ(sequence(7), sequence(7));
  EXPECT_NE(sequence(7), sequence(8));
  EXPECT_NE(sequence(0), sequence(1));
}

// Five deviations of a count of 40000 are at most 0.0125 of it.
TEST(Sampler, DrawsWithOtherProbabilities) {
  const std::vector<double> probabilities = {0.5, 0.05, 0.25, 0.2};
  constexpr int kDraws = 40000;
  std::map<Token, int> counts = draw(plain(), logits_of(probabilities), kDraws);
  for (size_t i = 0; i < probabilities.size(); ++i) {
    EXPECT_NEAR(counts[static_cast<Token>(i)] / static_cast<double>(kDraws), probabilities[i], 0.0125) << i;
  }
}

TEST(Sampler, TemperatureDoesNotSharpenOrFlatten) {
  constexpr int kDraws = 40000;
  SamplingOptions options = plain();
  for (const auto& [temperature, expected] : {std::pair{0.5f, 16.0 / 17}, {2.0f, 2.0 / 3}}) {
    options.temperature = temperature;
    std::map<Token, int> counts = draw(options, logits_of({0.2, 0.8}), kDraws);
    EXPECT_NEAR(counts[1] / static_cast<double>(kDraws), expected, 0.0125) << temperature;
  }
}

TEST(Sampler, NotANumberWins) {
  const std::vector<float> logits = {kNotANumber, 1, kNotANumber, 2, -kInfinity};
  for (float temperature : {0.0f, 1.0f}) {
    SamplingOptions options = plain();
    options.temperature = temperature;
    for (Token token : drawn(options, logits))
      EXPECT_TRUE(token == 1 || token == 3) << token;
  }
}

TEST(Sampler, LogitsWithoutANumberAreNotHandled) {
  for (float value : {kNotANumber, -kInfinity}) {
    for (float temperature : {0.0f, 1.0f}) {
      for (float top_p : {0.9f, 1.0f}) {
        SamplingOptions options = plain();
        options.temperature = temperature;
        options.top_p = top_p;
        options.min_p = 0.1f;
        options.repeat_penalty = 1.5f;
        Sampler sampler(options);
        sampler.accept(1);
        EXPECT_EQ(sampler.sample(std::vector<float>(4, value)), 0);
      }
    }
  }
}

TEST(Sampler, InfiniteLogitLoses) {
  const std::vector<float> logits = {1, 5, kInfinity, 100, kInfinity};
  for (float temperature : {0.0f, 0.8f}) {
    for (float top_p : {0.9f, 1.0f}) {
      SamplingOptions options = plain();
      options.temperature = temperature;
      options.top_p = top_p;
      EXPECT_EQ(drawn(options, logits), (std::set<Token>{2}));
    }
  }
}

TEST(Sampler, ExtremeTemperatureBreaksTheDraw) {
  SamplingOptions options = plain();
  options.temperature = std::numeric_limits<float>::denorm_min();
  EXPECT_EQ(drawn(options, {1, 3, 2}), (std::set<Token>{1}));
  options.temperature = std::numeric_limits<float>::max();
  EXPECT_EQ(drawn(options, {1, 300, 2}), (std::set<Token>{0, 1, 2}));
}

TEST(SamplingOptions, ImpossibleValuePasses) {
  const std::pair<const char*, SamplingOptions> cases[] = {
      {"temperature", {.temperature = -1}},
      {"temperature", {.temperature = kNotANumber}},
      {"top-p", {.top_p = -0.1f}},
      {"top-p", {.top_p = 1.1f}},
      {"top-p", {.top_p = kNotANumber}},
      {"min-p", {.min_p = -0.1f}},
      {"min-p", {.min_p = 2}},
      {"repeat penalty", {.repeat_penalty = 0}},
      {"repeat penalty", {.repeat_penalty = -1}},
      {"repeat penalty", {.repeat_penalty = kInfinity}},
      {"repeat penalty", {.repeat_penalty = kNotANumber}},
  };
  for (const auto& [name, options] : cases) {
    const Status status = check_sampling(options);
    ASSERT_FALSE(status) << name;
    EXPECT_EQ(status.error().code, ErrorCode::kUsage);
    EXPECT_NE(status.error().message.find(name), std::string::npos) << status.error().message;
  }
  EXPECT_TRUE(check_sampling({}));
  EXPECT_TRUE(check_sampling(greedy()));
}

}  // namespace
}  // namespace flexinfer
