// Vocabularies made by hand, small enough to work out their tokens on paper.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gguf/metadata.h"
#include "text/token_table.h"
#include "text/tokenizer.h"

namespace flexinfer {

struct SmallToken {
  std::string text;
  TokenType type = TokenType::kNormal;
  double score = 0.0;
};

inline StringList string_list(const std::vector<std::string>& texts) {
  StringList list;
  for (const std::string& text : texts)
    list.add(text);
  return list;
}

// `tokenizer.ggml.tokens`, `.token_type` and `.scores`; the ids are the places in the list.
inline Metadata with_tokens(const std::vector<SmallToken>& tokens) {
  StringList texts;
  std::vector<int64_t> types;
  std::vector<double> scores;
  for (const SmallToken& token : tokens) {
    texts.add(token.text);
    types.push_back(static_cast<int64_t>(token.type));
    scores.push_back(token.score);
  }
  Metadata metadata;
  metadata.set("tokenizer.ggml.tokens", std::move(texts));
  metadata.set("tokenizer.ggml.token_type", std::move(types));
  metadata.set("tokenizer.ggml.scores", std::move(scores));
  return metadata;
}

// "<0x00>" ... "<0xFF>"
inline std::vector<SmallToken> byte_tokens() {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::vector<SmallToken> tokens;
  for (size_t byte = 0; byte < 256; ++byte) {
    tokens.push_back({std::string("<0x") + kDigits[byte / 16] + kDigits[byte % 16] + ">", TokenType::kByte});
  }
  return tokens;
}

// GPT-2's way to write one byte: printable Latin-1 characters as themselves, the others as U+0100, U+0101 ...
// in turn.
inline std::string byte_level(uint8_t byte) {
  const auto printable = [](unsigned b) { return (b > 0x20 && b < 0x7F) || (b > 0xA0 && b != 0xAD); };
  unsigned code_point = byte;
  if (!printable(byte)) {
    code_point = 0x100;
    for (unsigned other = 0; other < byte; ++other)
      code_point += printable(other) ? 0 : 1;
  }
  if (code_point < 0x80) return {static_cast<char>(code_point)};
  return {static_cast<char>(0xC0 | code_point >> 6), static_cast<char>(0x80 | (code_point & 0x3F))};
}

inline std::string byte_level(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes)
    text += byte_level(static_cast<uint8_t>(byte));
  return text;
}

// A byte-level vocabulary: the 256 bytes have the ids 0 to 255, then come the results of the merges, then
// `more`.
struct SmallMerge {
  std::string left;
  std::string right;
};
inline Metadata byte_level_metadata(const std::string& pre, const std::vector<SmallMerge>& merges,
                                    const std::vector<SmallToken>& more = {}) {
  std::vector<SmallToken> tokens;
  for (unsigned byte = 0; byte < 256; ++byte)
    tokens.push_back({byte_level(static_cast<uint8_t>(byte))});
  std::vector<std::string> lines;
  for (const SmallMerge& merge : merges) {
    const std::string joined = byte_level(merge.left + merge.right);
    const bool is_new = std::ranges::find(tokens, joined, &SmallToken::text) == tokens.end();
    if (is_new) tokens.push_back({joined});
    lines.push_back(byte_level(merge.left) + " " + byte_level(merge.right));
  }
  tokens.insert(tokens.end(), more.begin(), more.end());
  Metadata metadata = with_tokens(tokens);
  metadata.set("tokenizer.ggml.model", std::string("gpt2"));
  metadata.set("tokenizer.ggml.pre", pre);
  metadata.set("tokenizer.ggml.merges", string_list(lines));
  return metadata;
}

inline Metadata sentence_piece_metadata(const std::vector<SmallToken>& tokens) {
  Metadata metadata = with_tokens(tokens);
  metadata.set("tokenizer.ggml.model", std::string("llama"));
  return metadata;
}

// These throw, and so fail the test, where there is an error.
inline std::unique_ptr<Tokenizer> make_tokenizer(const Metadata& metadata) {
  return std::move(Tokenizer::create(metadata)).value();
}

inline std::vector<Token> encode(const Tokenizer& tokenizer, std::string_view text,
                                 EncodeOptions options = {.add_special = false}) {
  return tokenizer.encode(text, options).value();
}

inline std::string decode_all(const Tokenizer& tokenizer, const std::vector<Token>& tokens) {
  std::string text;
  for (const Token token : tokens)
    text += tokenizer.decode(token);
  return text;
}

}  // namespace flexinfer
