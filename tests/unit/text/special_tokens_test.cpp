#include "text/special_tokens.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>
#include <vector>

#include "unit/text/small_vocabularies.h"

namespace flexinfer {
namespace {

TokenTable vocabulary_of(const std::vector<SmallToken>& tokens) {
  return TokenTable::read(with_tokens(tokens), TokenSpelling::kSentencePiece).value();
}

constexpr TokenType kControl = TokenType::kControl;
constexpr TokenType kUser = TokenType::kUserDefined;

struct Found {
  size_t begin;
  size_t n_bytes;
  Token token;
  bool operator==(const Found&) const = default;
};
Found find(const TokenTable& vocabulary, std::string_view text, bool parse_special = true) {
  const auto trusted_bytes = [&](size_t at) { return parse_special ? text.size() - at : 0; };
  const auto match = SpecialTokens(vocabulary).first_match(text, 0, trusted_bytes);
  return {match.begin, match.n_bytes, match.token};
}

TEST(SpecialTokens, TakesTheLeftmostEvenIfALongerOneFollows) {
  const TokenTable vocabulary =
      vocabulary_of({{"<s>", kControl}, {"><sentence>", kControl}, {"<sentence>", kControl}});
  EXPECT_EQ(find(vocabulary, "a<s><sentence>"), (Found{1, 3, 0}));
}

TEST(SpecialTokens, TakesTheLongestOfThoseThatBeginTogether) {
  const TokenTable vocabulary = vocabulary_of(
      {{"\n", kUser}, {"\n\n", kUser}, {"\n\n\n", kUser}, {"\n\n\n\n\n", kUser}, {"\nx", kUser}});
  EXPECT_EQ(find(vocabulary, "ab\n\n"), (Found{2, 2, 1}));
  EXPECT_EQ(find(vocabulary, "\n\n\n\n|"), (Found{0, 3, 2}));
  EXPECT_EQ(find(vocabulary, "\n\n\n\n\n\n"), (Found{0, 5, 3}));
  EXPECT_EQ(find(vocabulary, "\nx"), (Found{0, 2, 4}));
}

TEST(SpecialTokens, FallsBackToAShorterOneWhereTheLongerBreaksOff) {
  const TokenTable vocabulary = vocabulary_of({{"<a>", kControl}, {"<a><b>c", kControl}});
  EXPECT_EQ(find(vocabulary, "<a><b>d"), (Found{0, 3, 0}));
  EXPECT_EQ(find(vocabulary, "<a><b>"), (Found{0, 3, 0}));
}

TEST(SpecialTokens, ControlAndUnknownTokensAreTextUnlessAsked) {
  const TokenTable vocabulary = vocabulary_of(
      {{"<|end|>", kControl}, {"<think>", kUser}, {"<unk>", TokenType::kUnknown}, {"<|end|>!", kUser}});
  EXPECT_EQ(find(vocabulary, "<|end|><unk><think>", false), (Found{12, 7, 1}));
  EXPECT_EQ(find(vocabulary, "<|end|><unk><think>", true), (Found{0, 7, 0}));
  EXPECT_EQ(find(vocabulary, "<unk>", true), (Found{0, 5, 2}));
  EXPECT_EQ(find(vocabulary, "<|end|>!", false), (Found{0, 8, 3}));
}

TEST(SpecialTokens, FindsNothingInTextWithoutThem) {
  const TokenTable vocabulary = vocabulary_of({{"<s>", kControl},
                                               {"plain"},
                                               {"<0x41>", TokenType::kByte},
                                               {"[PAD]", TokenType::kUnused},
                                               {"", kUser}});
  for (const char* text : {"", "<s", "plain <0x41> A [PAD] <S>"}) {
    EXPECT_EQ(find(vocabulary, text), (Found{std::string_view(text).size(), 0, kNoToken})) << text;
  }
}

TEST(SpecialTokens, MatchesBytesAboveAscii) {
  const TokenTable vocabulary = vocabulary_of({{"<\uFF5CUser\uFF5C>", kControl}, {"\xFF", kControl}});
  EXPECT_EQ(find(vocabulary, "\u4E2D<\uFF5CUser\uFF5C>"), (Found{3, 12, 0}));
  EXPECT_EQ(find(vocabulary, "z\xFF"), (Found{1, 1, 1}));
}

// The same as looking for every token at every place.
TEST(SpecialTokens, FindsWhatASlowSearchFinds) {
  std::mt19937 random(7);
  const auto word = [&random](size_t longest) {
    std::string letters(1 + random() % longest, 'a');
    for (char& letter : letters)
      letter = static_cast<char>('a' + random() % 2);
    return letters;
  };
  for (int round = 0; round < 300; ++round) {
    std::set<std::string> words;
    while (words.size() < 1 + random() % 12)
      words.insert("a" + word(6));
    std::vector<SmallToken> tokens;
    for (const std::string& text : words)
      tokens.push_back({text, random() % 2 == 0 ? kControl : kUser});
    const TokenTable vocabulary = vocabulary_of(tokens);
    const std::string text = word(20);
    for (const bool parse_special : {false, true}) {
      Found expected{text.size(), 0, kNoToken};
      for (size_t at = text.size(); at-- > 0;) {
        size_t longest = 0;
        for (size_t i = 0; i < tokens.size(); ++i) {
          if (!parse_special && tokens[i].type == kControl) continue;
          if (tokens[i].text.size() <= longest || !text.substr(at).starts_with(tokens[i].text)) continue;
          longest = tokens[i].text.size();
          expected = {at, longest, static_cast<Token>(i)};
        }
      }
      EXPECT_EQ(find(vocabulary, text, parse_special), expected) << text;
    }
  }
}

}  // namespace
}  // namespace flexinfer
