// Texts and vocabularies that nobody would write on purpose.
#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <string>
#include <thread>

#include "gguf/gguf_file.h"
#include "unit/text/small_vocabularies.h"

namespace flexinfer {
namespace {

std::vector<SmallToken> sentence_piece_tokens() {
  std::vector<SmallToken> tokens = byte_tokens();
  tokens.insert(tokens.end(), {{"<unk>", TokenType::kUnknown},
                               {"<s>", TokenType::kControl},
                               {"</s>", TokenType::kControl},
                               {"<u>", TokenType::kUserDefined},
                               {"\u2581"},
                               {"a", TokenType::kNormal, -1},
                               {"\u2581a", TokenType::kNormal, -2},
                               {"aa", TokenType::kNormal, -3},
                               {"\u4E2D", TokenType::kNormal, -4}});
  return tokens;
}

Metadata small_sentence_piece() {
  return sentence_piece_metadata(sentence_piece_tokens());
}

Metadata small_byte_level() {
  return byte_level_metadata("llama-bpe",
                             {{"a", "a"}, {"aa", "aa"}, {" ", "a"}, {"\xE4\xB8", "\xAD"}, {"\xE4", "\xB8"}},
                             {{"<s>", TokenType::kControl}, {"<u>", TokenType::kUserDefined}});
}

// Bytes that are mostly a broken text: letters, blanks, pieces of characters and of special tokens.
std::string random_text(std::mt19937& random) {
  const std::vector<std::string> parts = {"a", "aa",     " ",      "\n",     "<s>", "<u>",
                                          "<", "\u4E2D", "\u2581", "\u0301", "1",   "'s"};
  std::string text;
  for (size_t n = random() % 30; n > 0; --n) {
    text += random() % 3 == 0 ? std::string(1, static_cast<char>(random())) : parts[random() % parts.size()];
  }
  return text;
}

void expect_round_trip(const Tokenizer& tokenizer, const std::string& text) {
  const auto ids = tokenizer.encode(text, {.add_special = false});
  ASSERT_TRUE(ids);
  for (const Token id : *ids)
    ASSERT_TRUE(id >= 0 && id < tokenizer.vocab_size());
  const std::string prefix =
      tokenizer.strips_leading_space() && !text.starts_with("<u>") && !text.empty() ? " " : "";
  EXPECT_EQ(decode_all(tokenizer, *ids), prefix + text);
}

TEST(Hostile, AnyBytesComeBackFromAByteLevelVocabulary) {
  std::mt19937 random(1);
  const auto tokenizer = make_tokenizer(small_byte_level());
  for (int round = 0; round < 3000; ++round)
    expect_round_trip(*tokenizer, random_text(random));
}

TEST(Hostile, AnyBytesPassThroughASentencePieceVocabulary) {
  std::mt19937 random(2);
  Metadata metadata = small_sentence_piece();
  metadata.set("tokenizer.ggml.add_space_prefix", false);
  const auto tokenizer = make_tokenizer(metadata);
  for (int round = 0; round < 3000; ++round) {
    std::string text = random_text(random);
    // The one character that does not come back: the vocabulary knows it only as a blank.
    for (size_t at = text.find("\u2581"); at != std::string::npos; at = text.find("\u2581"))
      text.erase(at, 3);
    expect_round_trip(*tokenizer, text);
  }
}

TEST(Hostile, ControlTokensNeverComeFromRandomText) {
  std::mt19937 random(3);
  for (const Metadata& metadata : {small_sentence_piece(), small_byte_level()}) {
    const auto tokenizer = make_tokenizer(metadata);
    for (int round = 0; round < 2000; ++round) {
      const auto ids = tokenizer->encode(random_text(random), {.add_special = false});
      ASSERT_TRUE(ids);
      for (const Token id : *ids)
        EXPECT_NE(tokenizer->decode(id), "") << id;
    }
  }
}

// Quadratic work on any of these would take longer than a test may run.
TEST(Hostile, LongTextsWithoutABorderTakeLittleTime) {
  std::vector<std::string> texts = {std::string(1 << 20, 'a'), std::string(1 << 20, '<'),
                                    std::string(1 << 20, '\xFF'), std::string(1 << 20, ' ') + "5"};
  std::mt19937 random(4);
  std::string letters(1 << 20, 'a');
  for (char& letter : letters)
    letter = static_cast<char>('a' + random() % 3);
  texts.push_back(std::move(letters));
  for (const Metadata& metadata : {small_sentence_piece(), small_byte_level()}) {
    const auto tokenizer = make_tokenizer(metadata);
    for (const std::string& text : texts) {
      const auto ids = tokenizer->encode(text, {.parse_special = true, .add_special = false});
      ASSERT_TRUE(ids);
      std::string decoded = decode_all(*tokenizer, *ids);
      if (tokenizer->strips_leading_space()) decoded.erase(0, 1);
      EXPECT_TRUE(decoded == text);
    }
  }
}

template <class T>
T& pick(std::vector<T>& items, std::mt19937& random) {
  return items[random() % items.size()];
}

// Some metadata with one thing in it changed at random.
Metadata mutated(const Metadata& original, std::mt19937& random) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : original.values())
    keys.push_back(key);
  for (const char* role : {"bos", "eos", "unknown", "eot", "eom"}) {
    keys.push_back(std::string("tokenizer.ggml.") + role + "_token_id");
  }
  const std::string chosen = pick(keys, random);
  const std::vector<std::function<MetadataValue()>> replacements = {
      [&] { return MetadataValue(static_cast<int64_t>(random() % 600) - 100); },
      [&] { return MetadataValue(uint64_t{random()} << 32); },
      [&] { return MetadataValue(random() % 2 == 0); },
      [&] { return MetadataValue(random_text(random)); },
      [&] { return MetadataValue(NestedArray{random()}); },
      [&] {
        return MetadataValue(std::vector<int64_t>(random() % 600, static_cast<int64_t>(random() % 9) - 1));
      },
      [&] { return MetadataValue(std::vector<double>(random() % 600, -1e300)); },
      [&] {
        StringList list;
        for (size_t n = random() % 600; n > 0; --n)
          list.add(random_text(random));
        return MetadataValue(std::move(list));
      },
  };
  Metadata metadata;
  for (const auto& [key, value] : original.values()) {
    if (key != chosen) metadata.set(key, value);
  }
  if (random() % 4 != 0) metadata.set(chosen, replacements[random() % replacements.size()]());
  return metadata;
}

// Some metadata with a few tokens, types, scores or merges changed at random.
Metadata with_changed_entries(const Metadata& original, std::mt19937& random) {
  Metadata metadata;
  for (const auto& [key, value] : original.values()) {
    MetadataValue changed = value;
    if (const auto* texts = std::get_if<StringList>(&value)) {
      StringList list;
      const size_t victim = random() % texts->size();
      for (size_t i = 0; i < texts->size(); ++i)
        list.add(i == victim ? random_text(random) : std::string((*texts)[i]));
      changed = std::move(list);
    } else if (auto* types = std::get_if<std::vector<int64_t>>(&changed)) {
      for (int n = 0; n < 3; ++n)
        pick(*types, random) = static_cast<int64_t>(random() % 7);
    } else if (auto* scores = std::get_if<std::vector<double>>(&changed)) {
      pick(*scores, random) = static_cast<double>(random()) * 1e300;
    }
    metadata.set(key, std::move(changed));
  }
  return metadata;
}

using Mutate = Metadata (*)(const Metadata&, std::mt19937&);

void expect_error_or_working_tokenizer(const Metadata& metadata, std::mt19937& random) {
  const auto tokenizer = Tokenizer::create(metadata);
  if (!tokenizer) {
    EXPECT_FALSE(tokenizer.error().message.empty());
    return;
  }
  for (const bool parse_special : {false, true}) {
    const auto ids = (*tokenizer)->encode(random_text(random), {.parse_special = parse_special});
    ASSERT_TRUE(ids);
    for (const Token id : *ids) {
      ASSERT_TRUE(id >= 0 && id < (*tokenizer)->vocab_size());
      (*tokenizer)->decode(id);
    }
  }
}

TEST(Hostile, MutatedVocabulariesAreRefusedOrWork) {
  std::mt19937 random(5);
  for (const Metadata& original : {small_sentence_piece(), small_byte_level()}) {
    for (const Mutate mutate : {Mutate{mutated}, Mutate{with_changed_entries}}) {
      for (int round = 0; round < 1500; ++round)
        expect_error_or_working_tokenizer(mutate(original, random), random);
    }
  }
}

TEST(Hostile, ThreadsShareOneTokenizer) {
  const auto tokenizer = make_tokenizer(small_byte_level());
  const std::string text = "aaa a\u4E2D <s> aaaa 123";
  const auto expected = tokenizer->encode(text, {});
  std::vector<int> n_equal(4, 0);
  std::vector<std::thread> threads;
  for (int& count : n_equal) {
    threads.emplace_back([&] {
      for (int round = 0; round < 500; ++round)
        count += *tokenizer->encode(text, {}) == *expected ? 1 : 0;
    });
  }
  for (std::thread& thread : threads)
    thread.join();
  EXPECT_EQ(n_equal, std::vector<int>(4, 500));
}

}  // namespace
}  // namespace flexinfer
