#include <gtest/gtest.h>

#include <limits>

#include "unit/text/small_vocabularies.h"

namespace flexinfer {
namespace {

using Ids = std::vector<Token>;

// "_" stands for U+2581 in the texts of these vocabularies.
std::vector<SmallToken> marked(std::vector<SmallToken> tokens) {
  for (SmallToken& token : tokens) {
    for (size_t at = token.text.find('_'); at != std::string::npos; at = token.text.find('_')) {
      token.text.replace(at, 1, "\u2581");
    }
  }
  return tokens;
}

// Without a blank before the text, for tests of the merges alone.
Ids encode_plainly(std::vector<SmallToken> tokens, std::string_view text) {
  Metadata metadata = sentence_piece_metadata(marked(std::move(tokens)));
  metadata.set("tokenizer.ggml.add_space_prefix", false);
  return encode(*make_tokenizer(metadata), text);
}

constexpr TokenType kNormal = TokenType::kNormal;
constexpr TokenType kControl = TokenType::kControl;

TEST(SpmTokenizer, JoinsThePairOfTheHighestScore) {
  EXPECT_EQ(encode_plainly({{"a"}, {"b"}, {"c"}, {"ab", kNormal, -2}, {"bc", kNormal, -1}}, "abc"),
            (Ids{0, 4}));
  EXPECT_EQ(encode_plainly({{"a"}, {"b"}, {"c"}, {"ab", kNormal, -1}, {"bc", kNormal, -2}}, "abc"),
            (Ids{3, 2}));
}

TEST(SpmTokenizer, JoinsTheLeftmostOfEqualScores) {
  EXPECT_EQ(encode_plainly({{"a"}, {"aa", kNormal, -1}}, "aaa"), (Ids{1, 0}));
  EXPECT_EQ(encode_plainly({{"a"}, {"b"}, {"c"}, {"ab", kNormal, 0.5}, {"bc", kNormal, 0.5}}, "abc"),
            (Ids{3, 2}));
}

TEST(SpmTokenizer, ScoresMayBeInfinite) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(
      encode_plainly({{"a"}, {"b"}, {"c"}, {"ab", kNormal, -kInfinity}, {"bc", kNormal, kInfinity}}, "abc"),
      (Ids{0, 4}));
}

TEST(SpmTokenizer, PutsABlankBeforeTheTextAndAfterEverySpecialToken) {
  const auto tokenizer = make_tokenizer(sentence_piece_metadata(
      marked({{"a"}, {"_"}, {"_a", kNormal, -1}, {"<x>", kControl}, {"<u>", TokenType::kUserDefined}})));
  EXPECT_EQ(encode(*tokenizer, "aa"), (Ids{2, 0}));
  EXPECT_EQ(encode(*tokenizer, " a"), (Ids{1, 2}));
  EXPECT_EQ(encode(*tokenizer, "a<x>a<u>a", {.parse_special = true, .add_special = false}),
            (Ids{2, 3, 2, 4, 2}));
  EXPECT_EQ(encode(*tokenizer, "<x>", {.parse_special = true, .add_special = false}), Ids{3});
  EXPECT_EQ(encode(*tokenizer, ""), Ids{});
  EXPECT_TRUE(tokenizer->strips_leading_space());
}

TEST(SpmTokenizer, TheBlankSymbolInATextIsABlank) {
  const std::vector<SmallToken> tokens = {{"a"}, {"_"}, {"_a", kNormal, -1}};
  EXPECT_EQ(encode_plainly(tokens, "\u2581a"), Ids{2});
  EXPECT_EQ(encode_plainly(tokens, "a a"), (Ids{0, 2}));
}

// Where a token holds a blank between letters, words may not be merged one by one.
TEST(SpmTokenizer, JoinsAcrossBlanksWhereTheVocabularyDoes) {
  EXPECT_EQ(
      encode_plainly({{"a"}, {"_"}, {"b"}, {"a_", kNormal, -1}, {"a_b", kNormal, -2}, {"_b", kNormal, -9}},
                     "xa b"),
      (Ids{4}));
  EXPECT_EQ(
      encode_plainly({{"a"}, {"_"}, {"b"}, {"_b", kNormal, -1}, {"__", kNormal, -2}, {"___b", kNormal, -3}},
                     "a   b"),
      (Ids{0, 5}));
}

TEST(SpmTokenizer, SpellsWhatIsNoTokenByItsBytes) {
  std::vector<SmallToken> tokens = byte_tokens();
  tokens.push_back({"a"});
  EXPECT_EQ(encode_plainly(tokens, "a\u4E2D\xFF"), (Ids{256, 0xE4, 0xB8, 0xAD, 0xFF}));
  // What looks like the name of a byte token is text.
  EXPECT_EQ(encode_plainly(tokens, "<0x41>").size(), 6);
  EXPECT_EQ(encode_plainly(tokens, "A"), Ids{'A'});
}

TEST(SpmTokenizer, OneUnknownTokenStandsForARunOfWhatCannotBeSpelled) {
  const std::vector<SmallToken> tokens = {{"<unk>", TokenType::kUnknown}, {"a"}};
  EXPECT_EQ(encode_plainly(tokens,
                           "a\u4E2D\u6587z"
                           "a\xFF"),
            (Ids{1, 0, 1, 0}));
  EXPECT_EQ(encode_plainly({{"a"}}, "zaz"), Ids{0});
}

// The control token has the highest score and its halves are tokens: merging alone would give it.
TEST(SpmTokenizer, TextNeverMergesIntoAControlToken) {
  const std::vector<SmallToken> tokens = {{"<"},
                                          {"s"},
                                          {">"},
                                          {"<s", kNormal, -1},
                                          {"<s>", kControl, 100},
                                          {"<0x41>", TokenType::kByte, 100},
                                          {"<unk>", TokenType::kUnknown, 100}};
  EXPECT_EQ(encode_plainly(tokens, "<s>"), (Ids{3, 2}));
  Metadata metadata = sentence_piece_metadata(tokens);
  metadata.set("tokenizer.ggml.add_space_prefix", false);
  EXPECT_EQ(encode(*make_tokenizer(metadata), "<s>", {.parse_special = true, .add_special = false}), Ids{4});
}

TEST(SpmTokenizer, BeginsWithBosUnlessTheFileForbids) {
  Metadata metadata = sentence_piece_metadata(marked({{"<s>", kControl}, {"</s>", kControl}, {"_"}, {"a"}}));
  EXPECT_EQ(encode(*make_tokenizer(metadata), "a", {}), (Ids{0, 2, 3}));
  EXPECT_TRUE(make_tokenizer(metadata)->add_bos());
  metadata.set("tokenizer.ggml.add_bos_token", false);
  EXPECT_EQ(encode(*make_tokenizer(metadata), "a", {}), (Ids{2, 3}));
  metadata.set("tokenizer.ggml.add_eos_token", true);
  EXPECT_EQ(encode(*make_tokenizer(metadata), "a", {}), (Ids{2, 3, 1}));
}

TEST(SpmTokenizer, DecodesBlanksAndBytesAndNoMark) {
  const auto tokenizer = make_tokenizer(sentence_piece_metadata(marked({{"<unk>", TokenType::kUnknown},
                                                                        {"<s>", kControl},
                                                                        {"_the_"},
                                                                        {"<0xE4>", TokenType::kByte},
                                                                        {"[PAD]", TokenType::kUnused}})));
  EXPECT_EQ(tokenizer->decode(2), " the ");
  EXPECT_EQ(tokenizer->decode(3), "\xE4");
  for (const Token silent : {0, 1, 4, 5, -1})
    EXPECT_EQ(tokenizer->decode(silent), "") << silent;
}

TEST(SpmTokenizer, RefusesScoresThatDoNotFit) {
  Metadata metadata = sentence_piece_metadata({{"a"}, {"b"}});
  const auto expect_corrupt = [&](std::string_view about) {
    const auto tokenizer = Tokenizer::create(metadata);
    ASSERT_FALSE(tokenizer);
    EXPECT_EQ(tokenizer.error().code, ErrorCode::kCorrupt);
    EXPECT_NE(tokenizer.error().message.find(about), std::string::npos) << tokenizer.error().message;
  };
  metadata.set("tokenizer.ggml.scores", std::vector<double>{1.0});
  expect_corrupt("1 entries for 2 tokens");
  metadata.set("tokenizer.ggml.scores", std::vector<double>{1.0, std::numeric_limits<double>::quiet_NaN()});
  expect_corrupt("token 1");
  metadata.set("tokenizer.ggml.scores", std::string("high"));
  expect_corrupt("tokenizer.ggml.scores");
  Metadata without = with_tokens({});
  without.set("tokenizer.ggml.tokens", string_list({"a"}));
  without.set("tokenizer.ggml.token_type", std::vector<int64_t>{1});
  without.set("tokenizer.ggml.scores", std::vector<double>{});
  without.set("tokenizer.ggml.model", std::string("llama"));
  metadata = std::move(without);
  expect_corrupt("0 entries for 1 tokens");
}

}  // namespace
}  // namespace flexinfer
