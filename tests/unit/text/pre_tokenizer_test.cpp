#include "text/pre_tokenizer.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "support/paths.h"

namespace flexinfer {
namespace {

using Pieces = std::vector<std::string>;

Pieces cut(std::string_view name, std::string_view text) {
  const auto pre_tokenizer = PreTokenizer::create(name);
  EXPECT_TRUE(pre_tokenizer) << name;
  Pieces pieces;
  const Status status =
      pre_tokenizer->split(text, [&](std::string_view piece) { pieces.emplace_back(piece); });
  EXPECT_TRUE(status) << status.error().message;
  return pieces;
}

const std::vector<std::string> kAllNames = {"default",
                                            "falcon",
                                            "gpt-2",
                                            "phi-2",
                                            "exaone4",
                                            "trillion",
                                            "mpt",
                                            "olmo",
                                            "starcoder",
                                            "refact",
                                            "smollm",
                                            "codeshell",
                                            "exaone",
                                            "minerva-7b",
                                            "command-r",
                                            "llama-bpe",
                                            "llama3",
                                            "llama-v3",
                                            "falcon3",
                                            "lfm2",
                                            "midm-2.0",
                                            "dbrx",
                                            "smaug-bpe",
                                            "glm4",
                                            "qwen2",
                                            "chatglm-bpe",
                                            "deepseek-r1-qwen",
                                            "stablelm2",
                                            "grok-2",
                                            "qwen35",
                                            "seed-coder",
                                            "bailingmoe",
                                            "bailingmoe2",
                                            "llada-moe",
                                            "gpt-4o",
                                            "llama4",
                                            "tekken",
                                            "bloom",
                                            "poro-chat",
                                            "gpt3-finnish",
                                            "viking",
                                            "deepseek-llm",
                                            "deepseek-coder",
                                            "deepseek-v3"};

TEST(PreTokenizer, RefusesUnknownRulesByName) {
  for (const char* name : {"kimi-k2", "superbpe", "", "Llama-BPE"}) {
    const auto pre_tokenizer = PreTokenizer::create(name);
    ASSERT_FALSE(pre_tokenizer) << name;
    EXPECT_EQ(pre_tokenizer.error().code, ErrorCode::kUnsupported);
    EXPECT_NE(pre_tokenizer.error().message.find("'" + std::string(name) + "'"), std::string::npos);
  }
}

TEST(PreTokenizer, LosesNoByteOfAnyText) {
  const std::vector<std::string> texts = {"",
                                          " ",
                                          "\n",
                                          "Hello, world! don't  \r\n\r\n\tx = 12345.678;  ",
                                          "caf\u00E9 \u4E2D\u6587\u3002\u0928\u093E 1\u0663",
                                          "\xFF\xFE x\xC3",
                                          std::string("a\0b \0", 5),
                                          "\u00A0\u180E\u2003\u3000 \u0085\x1C"};
  for (const std::string& name : kAllNames) {
    for (const std::string& text : texts) {
      std::string joined;
      for (const std::string& piece : cut(name, text)) {
        EXPECT_FALSE(piece.empty()) << name;
        joined += piece;
      }
      EXPECT_EQ(joined, text) << name;
    }
  }
}

// Quadratic work on any of these would take longer than a test may run.
TEST(PreTokenizer, CutsLongRunsInLinearTime) {
  constexpr size_t kBytes = 1 << 20;
  std::vector<std::string> texts;
  for (const char* unit : {"a", "A", " ", "\n", "1", "!", "\u4E2D", "\u0928\u093E", "\xFF"}) {
    std::string text;
    while (text.size() < kBytes)
      text += unit;
    texts.push_back(text + "5");
  }
  for (const char* name :
       {"default", "falcon", "olmo", "starcoder", "llama-bpe", "qwen2", "qwen35", "seed-coder", "bailingmoe",
        "gpt-4o", "tekken", "viking", "deepseek-llm", "deepseek-coder", "deepseek-v3"}) {
    const auto pre_tokenizer = PreTokenizer::create(name);
    ASSERT_TRUE(pre_tokenizer) << name;
    for (const std::string& text : texts) {
      size_t n_bytes = 0;
      const Status status =
          pre_tokenizer->split(text, [&](std::string_view piece) { n_bytes += piece.size(); });
      EXPECT_TRUE(status) << name << ": " << status.error().message;
      EXPECT_EQ(n_bytes, text.size()) << name;
    }
  }
}

// What an independent engine of regular expressions makes of each rule.
TEST(PreTokenizer, CutsAsTheReferenceDoes) {
  std::ifstream file(testing::test_data("pre_tokenizers/cases.jsonl"));
  int n_pieces = 0;
  for (std::string line; std::getline(file, line);) {
    const auto expected = nlohmann::json::parse(line);
    const std::string text = expected.at("text");
    for (const auto& [name, pieces] : expected.at("pieces").items()) {
      EXPECT_EQ(cut(name, text), pieces.get<Pieces>()) << name << ": " << expected.at("text");
      n_pieces += static_cast<int>(pieces.size());
    }
  }
  EXPECT_GT(n_pieces, 4000);
}

TEST(PreTokenizer, NamesOfOneRuleCutAlike) {
  const std::vector<std::vector<std::string_view>> kAlike = {
      {"gpt-2", "phi-2", "exaone4", "trillion", "mpt", "olmo"},
      {"starcoder", "refact", "smollm", "codeshell", "exaone", "minerva-7b", "command-r"},
      {"llama-bpe", "llama3", "llama-v3", "falcon3", "lfm2", "midm-2.0", "dbrx", "smaug-bpe", "glm4",
       "chatglm-bpe"},
      {"qwen2", "deepseek-r1-qwen", "stablelm2", "grok-2"},
      {"bailingmoe", "bailingmoe2", "llada-moe"},
      {"gpt-4o", "llama4"},
      {"bloom", "poro-chat", "gpt3-finnish"}};
  for (const auto& names : kAlike) {
    for (const std::string_view name : names) {
      ASSERT_NE(find_pre_tokenizer_rules(name), nullptr) << name;
      EXPECT_EQ(find_pre_tokenizer_rules(name)->patterns, find_pre_tokenizer_rules(names.front())->patterns)
          << name;
    }
  }
}

TEST(PreTokenizer, OnlySomeNamesComposeOrTakeWholeWordsFirst) {
  const std::set<std::string> composing = {"mpt", "olmo", "command-r", "qwen2", "deepseek-r1-qwen", "qwen35"};
  const std::set<std::string> whole_words = {"llama-bpe", "llama3",   "llama-v3", "falcon3",
                                             "lfm2",      "midm-2.0", "tekken"};
  for (const std::string& name : kAllNames) {
    const PreTokenizerRules* rules = find_pre_tokenizer_rules(name);
    ASSERT_NE(rules, nullptr) << name;
    EXPECT_EQ(rules->normalizes, composing.contains(name)) << name;
    EXPECT_EQ(rules->ignores_merges, whole_words.contains(name)) << name;
    EXPECT_EQ(rules->adds_bos, whole_words.contains(name)) << name;
  }
}

TEST(PreTokenizer, AByteThatIsNotUtf8StandsAlone) {
  EXPECT_EQ(cut("llama-bpe", "ab\xFF\xFE cd\xE4\xB8"), (Pieces{"ab", "\xFF", "\xFE", " cd", "\xE4", "\xB8"}));
}

TEST(PreTokenizer, Gpt2KeepsABlankWithTheWordAfterIt) {
  EXPECT_EQ(cut("gpt-2", "I'm  here's 123!?\n\n x"),
            (Pieces{"I", "'m", " ", " here", "'s", " 123", "!?", "\n\n", " x"}));
  EXPECT_EQ(cut("gpt-2", "WE'LL\tx"), (Pieces{"WE", "'", "LL", "\t", "x"}));
}

TEST(PreTokenizer, DigitsApartCutsEveryDigitFromTheBlankToo) {
  EXPECT_EQ(cut("starcoder", "a 12 b"), (Pieces{"a", " ", "1", "2", " b"}));
  EXPECT_EQ(cut("command-r", "x\u0663\u00BD"), (Pieces{"x", "\u0663", "\u00BD"}));
}

TEST(PreTokenizer, FalconCutsPunctuationFirstAndDigitsByThrees) {
  EXPECT_EQ(cut("falcon", "a`b 12345, c"), (Pieces{"a", "`", "b", " ", "123", "45", ",", " c"}));
  EXPECT_EQ(cut("falcon", "12\u00BD3456"), (Pieces{"12\u00BD", "345", "6"}));
  EXPECT_EQ(cut("default", "a.b 1234"), (Pieces{"a", ".", "b", " ", "123", "4"}));
}

// What the model's own tokenizer takes as one piece, its vocabulary may have a token for.
TEST(PreTokenizer, FalconDoesNotCutDigitsOfOtherScriptsFromTheBlankBeforeThem) {
  EXPECT_EQ(cut("falcon", "x \u0663\u0664"), (Pieces{"x", " \u0663\u0664"}));
  EXPECT_EQ(cut("default", "x \u0663\u0664"), (Pieces{"x", " ", "\u0663\u0664"}));
}

TEST(PreTokenizer, Llama3TakesThreeDigitsAndAnyCaseOfAContraction) {
  EXPECT_EQ(cut("llama-bpe", "WE'LL (see) 12345\r\n\r\n  y"),
            (Pieces{"WE", "'LL", " (", "see", ")", " ", "123", "45", "\r\n\r\n", " ", " y"}));
  EXPECT_EQ(cut("llama-bpe", ".. \n\n!\n"), (Pieces{"..", " \n\n", "!\n"}));
}

TEST(PreTokenizer, Qwen2TakesDigitsOneByOne) {
  EXPECT_EQ(cut("qwen2", "it's 123"), (Pieces{"it", "'s", " ", "1", "2", "3"}));
}

TEST(PreTokenizer, OnlyNewerQwenKeepsMarksWithTheirLetters) {
  EXPECT_EQ(cut("qwen2", "\u0928\u093E\u0928"), (Pieces{"\u0928", "\u093E\u0928"}));
  EXPECT_EQ(cut("qwen35", "\u0928\u093E\u0928"), (Pieces{"\u0928\u093E\u0928"}));
}

TEST(PreTokenizer, Gpt4oCutsWhereACapitalFollowsASmallLetter) {
  EXPECT_EQ(cut("gpt-4o", "camelCase HTMLParser don't a/b//\n1234"),
            (Pieces{"camel", "Case", " HTMLParser", " don't", " a", "/b", "//\n", "123", "4"}));
  EXPECT_EQ(cut("tekken", "camelCase don't 12"), (Pieces{"camel", "Case", " don", "'t", " ", "1", "2"}));
}

TEST(PreTokenizer, BloomCutsAtSentencePunctuationOnly) {
  EXPECT_EQ(cut("bloom", "a-b c, d\u3002e"), (Pieces{"a-b", " c", ",", " d", "\u3002", "e"}));
  EXPECT_EQ(cut("viking", "a12"), (Pieces{"a", "1", "2"}));
}

TEST(PreTokenizer, DeepSeekCutsScriptsApart) {
  EXPECT_EQ(cut("deepseek-v3", "ab\u4E2D\u6587\u30AB 1234.x"),
            (Pieces{"ab", "\u4E2D\u6587\u30AB", " ", "123", "4", ".x"}));
  EXPECT_EQ(cut("deepseek-llm", "ab\u4E2D\u6587 12\r\n  "),
            (Pieces{"ab", "\u4E2D\u6587", " ", "1", "2", "\r", "\n", "  "}));
  EXPECT_EQ(cut("deepseek-coder", "f(x), 12"), (Pieces{"f", "(", "x", "),", " ", "1", "2"}));
}

// U+2126 and U+212A are letters of the list; a range that began at "K" instead would swallow most of the
// alphabet.
TEST(PreTokenizer, DeepSeekListsTheLettersItMeans) {
  EXPECT_EQ(cut("deepseek-llm", "\u2126\u212A\u1F7D"), (Pieces{"\u2126\u212A\u1F7D"}));
  EXPECT_EQ(cut("deepseek-llm", "a\u05D0b"), (Pieces{"a", "\u05D0", "b"}));
}

TEST(PreTokenizer, TheMongolianVowelSeparatorIsNoBlank) {
  EXPECT_EQ(cut("llama-bpe", "\u180E\u180E"), (Pieces{"\u180E\u180E"}));
  EXPECT_EQ(cut("llama-bpe", " \u180E"), (Pieces{" \u180E"}));
  EXPECT_EQ(cut("llama-bpe", "x\u3000\u3000y"), (Pieces{"x", "\u3000", "\u3000y"}));
}

TEST(PreTokenizer, ComposesCharactersOnlyWhereTheModelDoes) {
  EXPECT_EQ(cut("qwen2", "cafe\u0301"), (Pieces{"caf\u00E9"}));
  EXPECT_EQ(cut("llama-bpe", "cafe\u0301"), (Pieces{"cafe", "\u0301"}));
  EXPECT_EQ(cut("qwen2",
                "\xFF"
                "e\u0301\xFF"),
            (Pieces{"\xFF", "\u00E9", "\xFF"}));
}

}  // namespace
}  // namespace flexinfer
