// Byte-level byte-pair encoding (`tokenizer.ggml.model` "gpt2").
#pragma once

#include <memory>

#include "text/merge_table.h"
#include "text/merger.h"
#include "text/pre_tokenizer.h"
#include "text/vocabulary_tokenizer.h"

namespace flexinfer {

// The pre-tokenizer cuts a text into words; each word begins as its bytes, and pairs of tokens are joined in
// the order of the merges.
class BpeTokenizer final : public VocabularyTokenizer {
 public:
  static Result<std::unique_ptr<Tokenizer>> create(const Metadata& metadata);

  uint64_t resident_bytes() const override;
  bool strips_leading_space() const override { return false; }

 private:
  BpeTokenizer(TokenTable vocabulary, TokenRoles roles, MergeTable merges, PreTokenizer pre_tokenizer);

  Status encode_fragment(std::string_view text, bool after_special,
                         std::vector<Token>& tokens) const override;
  void encode_word(std::string_view word, Merger& merger, std::vector<Token>& tokens) const;

  MergeTable merges_;
  PreTokenizer pre_tokenizer_;
};

}  // namespace flexinfer
