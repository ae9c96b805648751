#include <gtest/gtest.h>

#include "unit/text/small_vocabularies.h"

namespace flexinfer {
namespace {

using Ids = std::vector<Token>;

constexpr Token kFirst = 256;  // the first token after those of the bytes

TEST(BpeTokenizer, JoinsInTheOrderOfTheMerges) {
  const auto tokenizer =
      make_tokenizer(byte_level_metadata("gpt-2", {{"b", "c"}, {"a", "b"}, {"a", "bc"}, {"ab", "c"}}));
  EXPECT_EQ(encode(*tokenizer, "abc"), Ids{kFirst + 2});
  EXPECT_EQ(encode(*tokenizer, "ab"), Ids{kFirst + 1});
  EXPECT_EQ(encode(*tokenizer, "abab"), (Ids{kFirst + 1, kFirst + 1}));
}

// "bcd" is a token, but the merges never come to it from these bytes.
TEST(BpeTokenizer, FollowsTheMergesEvenPastALongerToken) {
  const auto tokenizer = make_tokenizer(byte_level_metadata("gpt-2", {{"a", "b"}, {"b", "c"}, {"bc", "d"}}));
  EXPECT_EQ(encode(*tokenizer, "abcd"), (Ids{kFirst, 'c', 'd'}));
}

TEST(BpeTokenizer, TakesAWholeWordDirectlyOnlyWhereTheModelIgnoresMerges) {
  const std::vector<SmallMerge> merges = {{"b", "c"}, {"a", "b"}, {"ab", "c"}};
  EXPECT_EQ(encode(*make_tokenizer(byte_level_metadata("gpt-2", merges)), "abc"), (Ids{'a', kFirst}));
  EXPECT_EQ(encode(*make_tokenizer(byte_level_metadata("llama-bpe", merges)), "abc"), Ids{kFirst + 2});
}

TEST(BpeTokenizer, NeverJoinsAcrossWords) {
  const auto tokenizer = make_tokenizer(byte_level_metadata("gpt-2", {{"a", " "}, {" ", "b"}}));
  EXPECT_EQ(encode(*tokenizer, "a b"), (Ids{'a', kFirst + 1}));
}

TEST(BpeTokenizer, TakesTheFirstOfTwoEqualMerges) {
  auto metadata = byte_level_metadata("gpt-2", {{"a", "b"}, {"b", "c"}});
  metadata.set("tokenizer.ggml.merges", string_list({"a b", "b c", "a b"}));
  EXPECT_EQ(encode(*make_tokenizer(metadata), "abc"), (Ids{kFirst, 'c'}));
}

// "<s>" has the id after the bytes and the merges.
TEST(BpeTokenizer, MakesControlTokensOfUntrustedText) {
  const auto tokenizer = make_tokenizer(byte_level_metadata(
      "gpt-2", {{"a", "b"}}, {{"<s>", TokenType::kControl}, {"<u>", TokenType::kUserDefined}}));
  const Token control = 257;
  const Token user = 258;
  const auto encode_runs = [&](std::string_view text, const std::vector<TextRun>& runs) {
    return tokenizer->encode_runs(text, runs).value();
  };
  EXPECT_EQ(encode_runs("<s><s>", {{3, true}, {3, false}}), (std::vector<Token>{control, '<', 's', '>'}));
  EXPECT_EQ(encode_runs("<s>", {{1, true}, {2, true}}), (std::vector<Token>{control}));
  EXPECT_EQ(encode_runs("<s>", {{1, true}, {1, false}, {1, true}}), (std::vector<Token>{'<', 's', '>'}));
  EXPECT_EQ(encode_runs("<s>", {{2, false}, {1, true}}), (std::vector<Token>{'<', 's', '>'}));
  EXPECT_EQ(encode_runs("<u>", {{3, false}}), (std::vector<Token>{user}));
  // A border between runs does not keep letters apart.
  EXPECT_EQ(encode_runs("ab", {{1, true}, {1, false}}), (std::vector<Token>{256}));
}

TEST(BpeTokenizer, RefusesMergesThatContradictTheVocabulary) {
  for (const char* merge : {"a", "a  b", " b", "a zz", "zz b", "a \u4E2D", "a c", ""}) {
    auto metadata = byte_level_metadata("gpt-2", {{"a", "b"}});
    metadata.set("tokenizer.ggml.merges", string_list({"a b", merge}));
    const auto tokenizer = Tokenizer::create(metadata);
    ASSERT_FALSE(tokenizer) << merge;
    EXPECT_EQ(tokenizer.error().code, ErrorCode::kCorrupt);
    EXPECT_NE(tokenizer.error().message.find("merge 1 "), std::string::npos) << tokenizer.error().message;
  }
}

TEST(BpeTokenizer, RefusesAFileWithoutMerges) {
  Metadata metadata = with_tokens({{"a"}});
  metadata.set("tokenizer.ggml.model", std::string("gpt2"));
  const auto tokenizer = Tokenizer::create(metadata);
  ASSERT_FALSE(tokenizer);
  EXPECT_EQ(tokenizer.error().code, ErrorCode::kCorrupt);
}

TEST(BpeTokenizer, UsesTheDefaultRulesWhereTheFileNamesNone) {
  Metadata metadata = byte_level_metadata("default", {{" ", "1"}});
  Metadata unnamed;
  for (const auto& [key, value] : metadata.values()) {
    if (key != "tokenizer.ggml.pre") unnamed.set(key, value);
  }
  // These rules, unlike GPT-2's, part a number from the blank before it.
  EXPECT_EQ(encode(*make_tokenizer(unnamed), "x 1"), (Ids{'x', ' ', '1'}));
  EXPECT_EQ(encode(*make_tokenizer(byte_level_metadata("gpt-2", {{" ", "1"}})), "x 1"), (Ids{'x', kFirst}));
}

TEST(BpeTokenizer, TextNeverSpellsAControlTokenUnasked) {
  // The merges lead right up to the name of the control token.
  const auto tokenizer = make_tokenizer(
      byte_level_metadata("gpt-2", {{"<", "s"}, {"<s", ">"}}, {{"<|x|>", TokenType::kControl}}));
  EXPECT_EQ(encode(*tokenizer, "<|x|>"), (Ids{'<', '|', 'x', '|', '>'}));
  EXPECT_EQ(encode(*tokenizer, "a<|x|>b", {.parse_special = true, .add_special = false}),
            (Ids{'a', kFirst + 2, 'b'}));
}

TEST(BpeTokenizer, UserDefinedTokensAreTakenBeforeTheTextIsCut) {
  const auto tokenizer =
      make_tokenizer(byte_level_metadata("gpt-2", {{"k", "z"}}, {{"<think>", TokenType::kUserDefined}}));
  EXPECT_EQ(encode(*tokenizer, "a <think> kz"), (Ids{'a', ' ', kFirst + 1, ' ', kFirst}));
  EXPECT_EQ(tokenizer->decode(kFirst + 1), "<think>");
}

TEST(BpeTokenizer, FramesATextWithBosAndEosWhereTheModelAsks) {
  Metadata metadata =
      byte_level_metadata("gpt-2", {}, {{"<s>", TokenType::kControl}, {"</s>", TokenType::kControl}});
  metadata.set("tokenizer.ggml.bos_token_id", uint64_t{256});
  metadata.set("tokenizer.ggml.eos_token_id", uint64_t{257});
  EXPECT_EQ(encode(*make_tokenizer(metadata), "x", {}), Ids{'x'});
  metadata.set("tokenizer.ggml.pre", std::string("llama-bpe"));
  EXPECT_EQ(encode(*make_tokenizer(metadata), "x", {}), (Ids{256, 'x'}));
  metadata.set("tokenizer.ggml.add_eos_token", true);
  EXPECT_EQ(encode(*make_tokenizer(metadata), "x", {}), (Ids{256, 'x', 257}));
  EXPECT_EQ(encode(*make_tokenizer(metadata), "", {}), (Ids{256, 257}));
  EXPECT_EQ(encode(*make_tokenizer(metadata), "x", {.add_special = false}), Ids{'x'});
  EXPECT_TRUE(make_tokenizer(metadata)->is_end_of_generation(257));
  EXPECT_FALSE(make_tokenizer(metadata)->is_end_of_generation('x'));
}

TEST(BpeTokenizer, DecodesEveryByteAndNoMark) {
  const auto tokenizer =
      make_tokenizer(byte_level_metadata("gpt-2", {{"\xE4\xB8", "\xAD"}, {"\xE4", "\xB8"}},
                                         {{"<|x|>", TokenType::kControl}, {"[PAD]", TokenType::kUnused}}));
  EXPECT_EQ(tokenizer->decode(0xE4), "\xE4");
  EXPECT_EQ(tokenizer->decode(kFirst), "\u4E2D");
  for (const Token silent : {kFirst + 2, kFirst + 3, kFirst + 4, kNoToken, Token{1 << 30}}) {
    EXPECT_EQ(tokenizer->decode(silent), "") << silent;
  }
  EXPECT_FALSE(tokenizer->strips_leading_space());
}

TEST(BpeTokenizer, ABytesOfNoTokenIsUnknownOrLeftOut) {
  Metadata metadata = with_tokens({{"a"}, {"<unk>", TokenType::kUnknown}});
  metadata.set("tokenizer.ggml.model", std::string("gpt2"));
  metadata.set("tokenizer.ggml.pre", std::string("gpt-2"));
  metadata.set("tokenizer.ggml.merges", StringList());
  EXPECT_EQ(encode(*make_tokenizer(metadata), "abca"), (Ids{0, 1, 0}));
  metadata.set("tokenizer.ggml.tokens", string_list({"a"}));
  metadata.set("tokenizer.ggml.token_type", std::vector<int64_t>{1});
  EXPECT_EQ(encode(*make_tokenizer(metadata), "abca"), (Ids{0, 0}));
}

TEST(BpeTokenizer, ComposesTextForModelsThatWereTrainedSo) {
  const std::vector<SmallMerge> merges = {{"\xC3", "\xA9"}};
  EXPECT_EQ(encode(*make_tokenizer(byte_level_metadata("qwen2", merges)), "e\u0301"), Ids{kFirst});
  EXPECT_EQ(encode(*make_tokenizer(byte_level_metadata("gpt-2", merges)), "e\u0301"), (Ids{'e', 0xCC, 0x81}));
}

TEST(Tokenizer, RefusesModelsItDoesNotKnowByName) {
  Metadata metadata = with_tokens({{"a"}});
  EXPECT_EQ(Tokenizer::create(metadata).error().code, ErrorCode::kCorrupt);
  metadata.set("tokenizer.ggml.model", std::string("bert"));
  const auto tokenizer = Tokenizer::create(metadata);
  ASSERT_FALSE(tokenizer);
  EXPECT_EQ(tokenizer.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(tokenizer.error().message.find("'bert'"), std::string::npos);
  metadata.set("tokenizer.ggml.model", uint64_t{1});
  EXPECT_EQ(Tokenizer::create(metadata).error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace flexinfer
