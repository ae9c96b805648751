// What all kinds of tokenizers share: a vocabulary, its special tokens, and the frame of a text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/special_tokens.h"
#include "text/token_roles.h"
#include "text/token_table.h"
#include "text/tokenizer.h"

namespace flexinfer {

class VocabularyTokenizer : public Tokenizer {
 public:
  VocabularyTokenizer(const VocabularyTokenizer&) = delete;  // special_tokens_ refers to vocabulary_
  VocabularyTokenizer& operator=(const VocabularyTokenizer&) = delete;

  Result<std::vector<Token>> encode(std::string_view text, const EncodeOptions& options) const final;
  Result<std::vector<Token>> encode_runs(std::string_view text, std::span<const TextRun> runs) const final;
  std::string decode(Token token) const final;
  int32_t vocab_size() const final { return vocabulary_.size(); }
  Token bos() const final { return roles_.bos; }
  Token eos() const final { return roles_.eos; }
  bool add_bos() const final { return roles_.add_bos; }
  bool is_end_of_generation(Token token) const final;
  uint64_t resident_bytes() const override;

 protected:
  VocabularyTokenizer(TokenTable vocabulary, TokenRoles roles);

  // Appends the tokens of a text between special tokens; not empty. `after_special`: it begins the whole text
  // or stands right after a special token.
  virtual Status encode_fragment(std::string_view text, bool after_special,
                                 std::vector<Token>& tokens) const = 0;

  // The unknown token, once for a run of text that no token spells; nothing where the model has none.
  void append_unknown(std::vector<Token>& tokens) const;

  const TokenTable& vocabulary() const { return vocabulary_; }

 private:
  Status append_tokens(std::string_view text, std::span<const TextRun> runs,
                       std::vector<Token>& tokens) const;

  TokenTable vocabulary_;
  SpecialTokens special_tokens_;
  TokenRoles roles_;
};

}  // namespace flexinfer
