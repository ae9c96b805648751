#include "text/token_table.h"

#include <gtest/gtest.h>

#include "unit/text/small_vocabularies.h"

namespace flexinfer {
namespace {

void expect_corrupt(const Metadata& metadata, std::string_view about) {
  const auto vocabulary = TokenTable::read(metadata, TokenSpelling::kSentencePiece);
  ASSERT_FALSE(vocabulary);
  EXPECT_EQ(vocabulary.error().code, ErrorCode::kCorrupt);
  EXPECT_NE(vocabulary.error().message.find(about), std::string::npos) << vocabulary.error().message;
}

TEST(TokenTable, RefusesAFileWithoutTokens) {
  expect_corrupt(Metadata(), "tokenizer.ggml.tokens");
  expect_corrupt(with_tokens({}), "tokenizer.ggml.tokens");
}

TEST(TokenTable, RefusesTypesThatDoNotFit) {
  Metadata metadata = with_tokens({{"a"}, {"b"}});
  metadata.set("tokenizer.ggml.token_type", std::vector<int64_t>{1});
  expect_corrupt(metadata, "1 entries for 2 tokens");
  metadata.set("tokenizer.ggml.token_type", std::vector<int64_t>{1, 1, 1});
  expect_corrupt(metadata, "3 entries for 2 tokens");
  for (const int64_t type : {int64_t{-1}, int64_t{7}, int64_t{1} << 40}) {
    metadata.set("tokenizer.ggml.token_type", std::vector<int64_t>{1, type});
    expect_corrupt(metadata, std::to_string(type));
  }
  metadata.set("tokenizer.ggml.token_type", std::string("normal"));
  expect_corrupt(metadata, "tokenizer.ggml.token_type");
}

TEST(TokenTable, RefusesTheSameTokenTwice) {
  expect_corrupt(with_tokens({{"a"}, {"b"}, {"a"}}), "tokens 0 and 2");
  expect_corrupt(with_tokens({{"a"}, {"a", TokenType::kControl}}), "tokens 0 and 1");
}

TEST(TokenTable, RefusesAByteTokenThatNamesNoByte) {
  expect_corrupt(with_tokens({{"<0xZZ>", TokenType::kByte}}), "<0xNN>");
}

TEST(TokenTable, RefusesTokensThatAreLongerThanAny) {
  const std::string long_text(5000, 'a');
  for (const TokenType type :
       {TokenType::kNormal, TokenType::kControl, TokenType::kUserDefined, TokenType::kUnused}) {
    const auto vocabulary =
        TokenTable::read(with_tokens({{"a"}, {long_text, type}}), TokenSpelling::kSentencePiece);
    ASSERT_FALSE(vocabulary);
    EXPECT_EQ(vocabulary.error().code, ErrorCode::kUnsupported);
    EXPECT_NE(vocabulary.error().message.find("token 1 has 5000 bytes"), std::string::npos)
        << vocabulary.error().message;
  }
  const auto blanks =
      TokenTable::read(with_tokens({{byte_level(std::string(512, ' '))}}), TokenSpelling::kByteLevel);
  ASSERT_TRUE(blanks);
  EXPECT_EQ(blanks->find(std::string(512, ' ')), 0);
}

TEST(TokenTable, TakesAllTokensAsNormalWhereNoTypesAreGiven) {
  Metadata metadata;
  metadata.set("tokenizer.ggml.tokens", string_list({"a", "\u2581b"}));
  const auto vocabulary = TokenTable::read(metadata, TokenSpelling::kSentencePiece);
  ASSERT_TRUE(vocabulary);
  EXPECT_EQ(vocabulary->size(), 2);
  EXPECT_EQ(vocabulary->find(" b"), 1);
}

TEST(TokenTable, FindsOnlyTokensThatTextMaySpell) {
  const auto vocabulary = TokenTable::read(with_tokens({{"a"},
                                                        {"<s>", TokenType::kControl},
                                                        {"<unk>", TokenType::kUnknown},
                                                        {"<0x41>", TokenType::kByte},
                                                        {"[PAD]", TokenType::kUnused},
                                                        {"user", TokenType::kUserDefined},
                                                        {"undefined", TokenType::kUndefined}}),
                                           TokenSpelling::kSentencePiece);
  ASSERT_TRUE(vocabulary);
  for (const char* text : {"<s>", "<unk>", "<0x41>", "A", "[PAD]", ""})
    EXPECT_EQ(vocabulary->find(text), kNoToken) << text;
  EXPECT_EQ(vocabulary->find("a"), 0);
  EXPECT_EQ(vocabulary->find("user"), 5);
  EXPECT_EQ(vocabulary->find("undefined"), 6);
  EXPECT_EQ(vocabulary->byte_token('A'), 3);
  EXPECT_EQ(vocabulary->byte_token('B'), kNoToken);
  EXPECT_EQ(vocabulary->bytes(1), "<s>");
  EXPECT_EQ(vocabulary->bytes(3), "A");
}

TEST(TokenTable, LetsEmptyTokensBe) {
  const auto vocabulary = TokenTable::read(with_tokens({{""}, {"a"}, {""}, {"", TokenType::kControl}}),
                                           TokenSpelling::kByteLevel);
  ASSERT_TRUE(vocabulary) << vocabulary.error().message;
  EXPECT_EQ(vocabulary->find(""), kNoToken);
  EXPECT_EQ(vocabulary->bytes(2), "");
  EXPECT_EQ(vocabulary->find("a"), 1);
}

TEST(TokenTable, ANormalTokenGoesBeforeAUserDefinedOneOfTheSameBytes) {
  const auto vocabulary = TokenTable::read(with_tokens({{"  ", TokenType::kUserDefined}, {"\u0120\u0120"}}),
                                           TokenSpelling::kByteLevel);
  ASSERT_TRUE(vocabulary);
  EXPECT_EQ(vocabulary->find("  "), 1);
}

TEST(TokenTable, HoldsHundredsOfThousandsOfTokensInFewBytesEach) {
  std::vector<SmallToken> tokens;
  constexpr size_t kCount = 100000;
  size_t n_text_bytes = 0;
  for (size_t i = 0; i < kCount; ++i) {
    tokens.push_back({"t" + std::to_string(i)});
    n_text_bytes += tokens.back().text.size();
  }
  const auto vocabulary = TokenTable::read(with_tokens(tokens), TokenSpelling::kSentencePiece);
  ASSERT_TRUE(vocabulary);
  // Where a token ends, its type, and one and a half slots of the index.
  EXPECT_LE(vocabulary->resident_bytes(), n_text_bytes + kCount * (4 + 1 + 6) + 4096);
  EXPECT_GE(vocabulary->resident_bytes(), n_text_bytes + kCount * (4 + 1 + 4));
}

}  // namespace
}  // namespace flexinfer
