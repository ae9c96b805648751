// Vocabularies that nobody would write on purpose, as files: refused with one line or used, in little memory.
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "gguf/gguf_writer.h"
#include "integration/cli.h"

namespace flexinfer::testing {
namespace {

constexpr uint64_t kLittleMemory = uint64_t{64} << 20;
constexpr int32_t kNormal = 1;
constexpr int32_t kControl = 3;
constexpr int32_t kUserDefined = 4;

struct Vocabulary {
  std::vector<std::string> tokens;
  std::vector<int32_t> types = {};  // all normal where there are none
  std::vector<float> scores = {};   // all zero
  std::vector<std::string> merges = {};
  std::string model = "llama";
  std::string text = "aab ab a";
};

struct HostileVocabulary {
  const char* name;
  Vocabulary (*make)();
  const char* refusal;  // what the error says; empty: the text is encoded
};

Vocabulary with_type(std::vector<std::string> tokens, int32_t type, std::string text) {
  const std::vector<int32_t> types(tokens.size(), type);
  return {.tokens = std::move(tokens), .types = types, .text = std::move(text)};
}

std::vector<std::string> numbered(size_t n, const std::string& prefix) {
  std::vector<std::string> tokens;
  for (size_t i = 0; i < n; ++i)
    tokens.push_back(prefix + std::to_string(i));
  return tokens;
}

// "a" to "zz", and every pair of letters as a merge.
Vocabulary byte_level(std::vector<std::string> merges) {
  std::vector<std::string> tokens;
  for (char a = 'a'; a <= 'z'; ++a) {
    tokens.push_back({a});
    for (char b = 'a'; b <= 'z'; ++b)
      tokens.push_back({a, b});
  }
  return {.tokens = std::move(tokens), .merges = std::move(merges), .model = "gpt2"};
}

// Two words each, the second chosen so that multiplying and mixing them, with no secret in it, always ends
// the same.
Vocabulary colliding() {
  const auto mix = [](uint64_t word) {
    word *= 0x9E3779B97F4A7C15;
    return word ^ (word >> 32);
  };
  std::vector<std::string> tokens;
  for (uint64_t i = 0; i < 200'000; ++i) {
    const uint64_t words[] = {i, mix(mix(17) ^ i)};
    tokens.emplace_back(reinterpret_cast<const char*>(words), sizeof(words));
  }
  return {.tokens = std::move(tokens)};
}

// b, ab, aab, ...
std::vector<std::string> staircase(size_t n) {
  std::vector<std::string> tokens;
  for (size_t i = 0; i < n; ++i)
    tokens.push_back(std::string(i, 'a') + "b");
  return tokens;
}

Vocabulary with_scores(float score) {
  return {.tokens = {"a", "b", "ab", "aab"}, .scores = {0, score, score, -score}};
}

const HostileVocabulary kHostile[] = {
    {"TokensOfMegabytes",
     [] {
       return Vocabulary{
           .tokens = {std::string(1 << 20, 'a'), std::string(2 << 20, 'a'), std::string(3 << 20, 'a')}};
     },
     "token 0 has 1048576 bytes"},
    {"SpecialTokensOfKilobytes", [] { return with_type({std::string(4096, '<')}, kControl, "<<<"); },
     "token 0 has 4096 bytes"},
    {"EqualTokens", [] { return Vocabulary{.tokens = std::vector<std::string>(300'000, "same")}; },
     "tokens 0 and 1 have the same text"},
    {"CollidingTokens", [] { return colliding(); }, ""},
    {"TooManyTokens", [] { return Vocabulary{.tokens = numbered(1'100'000, "")}; }, "1100000 tokens"},
    {"ManyTokens", [] { return Vocabulary{.tokens = numbered(500'000, "a")}; }, ""},
    {"EmptyTokens", [] { return Vocabulary{.tokens = std::vector<std::string>(300'000)}; }, ""},
    {"TokensThatAreNoUtf8",
     [] {
       return Vocabulary{.tokens = {"a", "\xFF", "\xC3", "a\xFF\xFE", "\xE2\x96"}};
     },
     ""},
    {"EmptySpecialTokens",
     [] {
       return with_type({"", "", "", "<s>"}, kUserDefined, "<s><s> <");
     },
     ""},
    {"OverlappingSpecialTokens",
     [] {
       return with_type({"<<", "<<<", "<a", "a<", "<a<", "<<<<a"}, kUserDefined,
                        std::string(10'000, '<') + "a<a<");
     },
     ""},
    {"ManySpecialTokens",
     [] { return with_type(numbered(300'000, "<|mark_"), kControl, "<|mark_7<|mark_299999<|mark"); }, ""},
    {"StaircaseOfSpecialTokens",
     [] { return with_type(staircase(510), kUserDefined, std::string(20'000, 'a')); }, ""},
    {"StaircaseOfTokens",
     [] {
       Vocabulary vocabulary{.tokens = staircase(2000), .text = std::string(100'000, 'a') + "b"};
       vocabulary.tokens.push_back("a");
       return vocabulary;
     },
     ""},
    {"ScoresThatAreNoNumbers", [] { return with_scores(std::numeric_limits<float>::quiet_NaN()); },
     "is not a number"},
    {"InfiniteScores", [] { return with_scores(std::numeric_limits<float>::infinity()); }, ""},
    {"TooFewScores",
     [] {
       return Vocabulary{.tokens = {"a", "b"}, .scores = {1}};
     },
     "1 entries for 2 tokens"},
    {"TypesThatAreNone",
     [] {
       return with_type({"a", "b"}, 99, "a");
     },
     "the type 99"},
    {"NegativeTypes",
     [] {
       return with_type({"a", "b"}, -1, "a");
     },
     "the type -1"},
    {"TooFewTypes",
     [] {
       return Vocabulary{.tokens = {"a", "b"}, .types = {kNormal}};
     },
     "1 entries for 2 tokens"},
    {"NoTokens", [] { return Vocabulary{}; }, "tokenizer.ggml.tokens"},
    {"MergesOfAbsentTokens",
     [] {
       return byte_level({"a b", "ab c"});
     },
     "merge 1 names a token"},
    {"MergesWithoutABlank", [] { return byte_level({"ab"}); }, "merge 0 is not two tokens"},
    {"MergesThatAreNoText", [] { return byte_level({"\xFF \xFE"}); }, "merge 0 is not written"},
    {"MergesInACircle",
     [] {
       return byte_level({"a b", "b a", "a a", "b b", "a b"});
     },
     ""},
    {"RepeatedMerges", [] { return byte_level(std::vector<std::string>(500'000, "a b")); }, ""},
    {"TooManyMerges", [] { return byte_level(std::vector<std::string>(3'000'000, "a b")); },
     "3000000 entries"},
};

class Hostile : public ::testing::TestWithParam<HostileVocabulary> {
 protected:
  std::string write(const Vocabulary& vocabulary) const {
    const size_t n_tokens = vocabulary.tokens.size();
    GgufWriter writer(directory_.path("model.gguf"));
    writer.set_text("general.architecture", "llama");
    writer.set_text("tokenizer.ggml.model", vocabulary.model);
    writer.set_texts("tokenizer.ggml.tokens", vocabulary.tokens);
    if (!vocabulary.types.empty()) writer.set_i32s("tokenizer.ggml.token_type", vocabulary.types);
    writer.set_f32s("tokenizer.ggml.scores",
                    vocabulary.scores.empty() ? std::vector<float>(n_tokens) : vocabulary.scores);
    if (!vocabulary.merges.empty()) writer.set_texts("tokenizer.ggml.merges", vocabulary.merges);
    EXPECT_TRUE(writer.begin_data());
    EXPECT_TRUE(writer.finish());
    write_bytes(directory_.path("text"), vocabulary.text);
    return directory_.path("model.gguf");
  }

  TempDirectory directory_;
};

INSTANTIATE_TEST_SUITE_P(Vocabularies, Hostile, ::testing::ValuesIn(kHostile),
                         [](const auto& instance) { return std::string(instance.param.name); });

TEST_P(Hostile, FillsMemoryOrEndsTheProgram) {
  const std::string model = write(GetParam().make());
  for (const Arguments& more : {Arguments{}, Arguments{"--parse-special"}}) {
    const ProcessResult result =
        run_flexinfer(Arguments{"tokenize", model, "-f", directory_.path("text"), "-q"} + more);
    if (std::strlen(GetParam().refusal) > 0) {
      expect_error(result, 1);
      EXPECT_NE(result.err.find(GetParam().refusal), std::string::npos) << result.err;
    } else {
      EXPECT_EQ(result.exit_status, 0) << result.err;
    }
    if (!kSanitized) {
      EXPECT_LT(result.peak_resident_bytes, kLittleMemory);
    }
  }
}

}  // namespace
}  // namespace flexinfer::testing
