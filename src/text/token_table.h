// The tokens of a model: the bytes each stands for, its type, and which token has given bytes.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "gguf/metadata.h"
#include "text/index_table.h"
#include "text/token_spelling.h"
#include "text/tokenizer.h"

namespace flexinfer {

// As numbered in `tokenizer.ggml.token_type`.
enum class TokenType : uint8_t {
  kUndefined = 0,  // taken as normal
  kNormal = 1,
  kUnknown = 2,      // stands for text that no token can spell
  kControl = 3,      // a mark of the model's own; text never spells it unless the caller allows that
  kUserDefined = 4,  // whole words added to the vocabulary: matched before anything else
  kUnused = 5,       // fills a gap in the ids
  kByte = 6,         // "<0x0A>": one byte, where no other token spells it
};

// Whether a text is searched for these tokens before any other rule looks at it.
constexpr bool is_matched_whole(TokenType type) {
  return type == TokenType::kUserDefined || type == TokenType::kControl || type == TokenType::kUnknown;
}

// Immutable; thread-safe. Keeps nothing of the metadata.
class TokenTable {
 public:
  // From `tokenizer.ggml.tokens` and `.token_type`. kCorrupt where these contradict each other, kUnsupported
  // where there are more tokens, or longer ones, than any vocabulary has.
  static Result<TokenTable> read(const Metadata& metadata, TokenSpelling spelling);

  int32_t size() const { return static_cast<int32_t>(types_.size()); }
  bool contains(Token token) const { return token >= 0 && token < size(); }

  // For a token of the vocabulary. The bytes of a control or unknown token are its name as text would spell
  // it.
  std::string_view bytes(Token token) const;
  TokenType type(Token token) const { return types_[static_cast<size_t>(token)]; }

  // The normal token with exactly these bytes, or else the user-defined one, or kNoToken.
  Token find(std::string_view bytes) const;
  // The token that stands for one byte, or kNoToken.
  Token byte_token(uint8_t byte) const { return byte_tokens_[byte]; }
  // The longest text worth a find().
  size_t longest_bytes() const { return longest_bytes_; }

  uint64_t resident_bytes() const;

 private:
  TokenTable() = default;
  Status append(Token token, std::string_view text, TokenType type, TokenSpelling spelling);
  void make_findable(TokenType type);
  void fill_byte_tokens();
  auto has_bytes(std::string_view bytes) const {
    return [this, bytes](uint32_t token) { return this->bytes(static_cast<Token>(token)) == bytes; };
  }

  std::string bytes_;           // of all tokens, one after the other
  std::vector<uint32_t> ends_;  // where each token's bytes end
  std::vector<TokenType> types_;
  IndexTable index_;  // of the tokens find() knows
  std::array<Token, 256> byte_tokens_ = {};
  size_t longest_bytes_ = 0;
};

}  // namespace flexinfer
