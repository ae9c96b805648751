#include "text/token_roles.h"

#include <gtest/gtest.h>

#include "unit/text/small_vocabularies.h"

namespace flexinfer {
namespace {

constexpr TokenType kControl = TokenType::kControl;

class TokenRolesTest : public ::testing::Test {
 protected:
  void use(const std::vector<SmallToken>& tokens) { metadata_ = with_tokens(tokens); }
  Result<TokenRoles> read(bool adds_bos_by_default = false) const {
    return read_token_roles(metadata_, TokenTable::read(metadata_, TokenSpelling::kByteLevel).value(),
                            adds_bos_by_default);
  }
  void expect_corrupt(std::string_view about) const {
    const auto roles = read();
    ASSERT_FALSE(roles);
    EXPECT_EQ(roles.error().code, ErrorCode::kCorrupt);
    EXPECT_NE(roles.error().message.find(about), std::string::npos) << roles.error().message;
  }
  Metadata metadata_;
};

TEST_F(TokenRolesTest, RefusesIdsOutsideTheVocabulary) {
  for (const char* role : {"bos", "eos", "unknown", "eot", "eom"}) {
    use({{"a"}, {"b"}});
    const std::string key = std::string("tokenizer.ggml.") + role + "_token_id";
    metadata_.set(key, uint64_t{2});
    expect_corrupt(key);
    metadata_.set(key, uint64_t{1} << 63);
    expect_corrupt(key);
    metadata_.set(key, int64_t{-2});
    expect_corrupt(key);
    metadata_.set(key, std::string("a"));
    expect_corrupt(key);
  }
}

TEST_F(TokenRolesTest, TakesMinusOneAsNone) {
  for (const MetadataValue& none : {MetadataValue(int64_t{-1}), MetadataValue(uint64_t{0xFFFFFFFF})}) {
    use({{"a"}});
    metadata_.set("tokenizer.ggml.bos_token_id", none);
    const auto roles = read();
    ASSERT_TRUE(roles);
    EXPECT_EQ(roles->bos, kNoToken);
  }
}

TEST_F(TokenRolesTest, RefusesToAddATokenThatDoesNotExist) {
  use({{"a"}});
  metadata_.set("tokenizer.ggml.add_bos_token", true);
  expect_corrupt("add_bos_token");
  use({{"a"}});
  metadata_.set("tokenizer.ggml.add_eos_token", true);
  expect_corrupt("add_eos_token");
}

TEST_F(TokenRolesTest, AddsBosByDefaultOnlyWhereThereIsOne) {
  use({{"a"}});
  EXPECT_FALSE(read(true)->add_bos);
  metadata_.set("tokenizer.ggml.bos_token_id", uint64_t{0});
  EXPECT_TRUE(read(true)->add_bos);
  EXPECT_FALSE(read(false)->add_bos);
  metadata_.set("tokenizer.ggml.add_bos_token", false);
  EXPECT_FALSE(read(true)->add_bos);
}

TEST_F(TokenRolesTest, FallsBackToCommonNames) {
  use({{"<unk>", TokenType::kUnknown}, {"<s>", kControl}, {"</s>", kControl}});
  const auto roles = read();
  ASSERT_TRUE(roles);
  EXPECT_EQ(roles->unknown, 0);
  EXPECT_EQ(roles->bos, 1);
  EXPECT_EQ(roles->eos, 2);
  EXPECT_EQ(roles->end_of_generation, std::vector<Token>{2});
}

TEST_F(TokenRolesTest, EndsGenerationAtStatedAndNamedTokens) {
  use({{"x"},
       {"stop", kControl},
       {"<|im_end|>", kControl},
       {"<|eot_id|>", TokenType::kUserDefined},
       {"turn", kControl},
       {"message", kControl},
       {"<\uFF5Cend\u2581of\u2581sentence\uFF5C>", kControl}});
  metadata_.set("tokenizer.ggml.eos_token_id", uint64_t{1});
  metadata_.set("tokenizer.ggml.eot_token_id", uint64_t{4});
  metadata_.set("tokenizer.ggml.eom_token_id", uint64_t{5});
  EXPECT_EQ(read()->end_of_generation, (std::vector<Token>{1, 2, 3, 4, 5, 6}));
}

TEST_F(TokenRolesTest, APieceOfTextNamedLikeAnEndEndsNothing) {
  use({{"</s>"}, {"<|end|>", kControl}});
  EXPECT_EQ(read()->eos, kNoToken);
  EXPECT_EQ(read()->end_of_generation, std::vector<Token>{1});
}

TEST_F(TokenRolesTest, TheEndOfAHarmonyMessageIsNotTheEndOfTheTurn) {
  use({{"<|end|>", kControl}, {"<|return|>", kControl}, {"<|call|>", kControl}});
  EXPECT_EQ(read()->end_of_generation, (std::vector<Token>{1, 2}));
}

}  // namespace
}  // namespace flexinfer
