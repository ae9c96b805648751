// Token ids of published vocabularies, computed with independent tokenizers.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "gguf/gguf_file.h"
#include "support/paths.h"
#include "text/tokenizer.h"

namespace flexinfer {
namespace {

namespace fs = std::filesystem;

struct Case {
  std::string kind;
  std::string text;
  bool parse_special = false;
  std::vector<Token> ids;
};

std::unique_ptr<Tokenizer> open_tokenizer(const fs::path& model) {
  const auto file = GgufFile::open(model.string());
  if (!file) {
    ADD_FAILURE() << file.error().message;
    return nullptr;
  }
  auto tokenizer = Tokenizer::create(file->metadata());
  if (!tokenizer) {
    ADD_FAILURE() << tokenizer.error().message;
    return nullptr;
  }
  return std::move(*tokenizer);
}

std::vector<Case> read_cases(const fs::path& path) {
  std::vector<Case> cases;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const auto json = nlohmann::json::parse(line);
    cases.push_back({json.at("kind"), json.at("text"), json.at("parse_special"), json.at("ids")});
  }
  return cases;
}

class ReferenceVocabulary : public ::testing::TestWithParam<const char*> {};

TEST_P(ReferenceVocabulary, GivesTheIdsOfTheModelsOwnTokenizer) {
  const fs::path folder = testing::shared("tokenizers");
  const fs::path model = folder / "vocab" / (std::string(GetParam()) + ".gguf");
  if (!fs::exists(model)) GTEST_SKIP() << "needs the vocabulary " << model;
  const auto tokenizer = open_tokenizer(model);
  ASSERT_NE(tokenizer, nullptr);
  const std::vector<Case> cases = read_cases(folder / "tokens" / (std::string(GetParam()) + ".jsonl"));
  ASSERT_GT(cases.size(), 300);
  for (const Case& expected : cases) {
    const auto ids =
        tokenizer->encode(expected.text, {.parse_special = expected.parse_special, .add_special = false});
    ASSERT_TRUE(ids) << ids.error().message;
    EXPECT_EQ(*ids, expected.ids) << expected.kind << ": " << nlohmann::json(expected.text).dump()
                                  << " parse_special=" << expected.parse_special;
  }
}

INSTANTIATE_TEST_SUITE_P(All, ReferenceVocabulary,
                         ::testing::Values("llama2", "llama3", "qwen3", "gemma3", "deepseek_v3", "gptoss"),
                         [](const auto& vocabulary) { return std::string(vocabulary.param); });

// Values of the committed models, from the library that trained their vocabulary.
class CommittedVocabulary : public ::testing::Test {
 protected:
  void SetUp() override {
    tokenizer_ = open_tokenizer(testing::bundled_model("docs7m-Q4_0.gguf"));
    ASSERT_NE(tokenizer_, nullptr);
    std::ifstream file(testing::test_data("docs-reference.json"));
    reference_ = nlohmann::json::parse(file);
  }
  void expect_ids(const std::string& text, const std::vector<Token>& expected) const {
    const auto ids = tokenizer_->encode(text, {.add_special = false});
    ASSERT_TRUE(ids);
    EXPECT_EQ(*ids, expected) << text;
    std::string decoded;
    for (const Token id : *ids)
      decoded += tokenizer_->decode(id);
    EXPECT_EQ(decoded, text);
  }
  std::unique_ptr<Tokenizer> tokenizer_;
  nlohmann::json reference_;
};

TEST_F(CommittedVocabulary, GivesTheReferenceIds) {
  ASSERT_EQ(reference_.at("tokenizer_cases").size(), 20);
  for (const auto& entry : reference_.at("tokenizer_cases"))
    expect_ids(entry.at("text"), entry.at("ids"));
  for (const char* model : {"target", "draft"}) {
    for (const auto& prompt : reference_.at("models").at(model).at("prompts")) {
      expect_ids(prompt.at("text"), prompt.at("ids"));
      EXPECT_EQ(*tokenizer_->encode(prompt.at("text").get<std::string>(), {}),
                prompt.at("ids_with_bos").get<std::vector<Token>>());
    }
  }
}

TEST_F(CommittedVocabulary, KnowsItsRoles) {
  EXPECT_EQ(tokenizer_->vocab_size(), 8192);
  EXPECT_EQ(tokenizer_->bos(), reference_.at("bos"));
  EXPECT_EQ(tokenizer_->eos(), reference_.at("eos"));
  EXPECT_TRUE(tokenizer_->add_bos());
  EXPECT_TRUE(tokenizer_->is_end_of_generation(tokenizer_->eos()));
}

TEST_F(CommittedVocabulary, GivesTheReferenceIdsOfALongText) {
  const fs::path path = testing::shared("text/docs-valid.txt");
  if (!fs::exists(path)) GTEST_SKIP() << "needs the text " << path;
  std::ifstream file(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const std::vector<Token> expected = reference_.at("val_ids");
  auto ids = tokenizer_->encode(text, {.add_special = false});
  ASSERT_TRUE(ids);
  ASSERT_GE(ids->size(), expected.size());
  ids->resize(expected.size());
  EXPECT_EQ(*ids, expected);
}

// Characters of every length and many scripts, in any order.
std::string random_characters(std::mt19937& random) {
  std::string text;
  for (size_t n = random() % 40; n > 0; --n) {
    switch (random() % 4) {
      case 0:
        text += static_cast<char>(random() % 0x80);
        break;
      case 1:
        text += {static_cast<char>(0xC2 + random() % 30), static_cast<char>(0x80 + random() % 64)};
        break;
      case 2:
        text += {static_cast<char>(0xE1 + random() % 12), static_cast<char>(0x80 + random() % 64),
                 static_cast<char>(0x80 + random() % 64)};
        break;
      default:
        text += {static_cast<char>(0xF0), static_cast<char>(0x90 + random() % 48),
                 static_cast<char>(0x80 + random() % 64), static_cast<char>(0x80 + random() % 64)};
    }
  }
  return text;
}

TEST_F(CommittedVocabulary, GivesBackAnyText) {
  std::mt19937 random(6);
  for (int round = 0; round < 3000; ++round) {
    const std::string text = random_characters(random);
    const auto ids = tokenizer_->encode(text, {.add_special = false});
    ASSERT_TRUE(ids);
    std::string decoded;
    for (const Token id : *ids)
      decoded += tokenizer_->decode(id);
    ASSERT_EQ(decoded, text);
  }
}

}  // namespace
}  // namespace flexinfer
