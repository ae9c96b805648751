// SentencePiece's byte-pair encoding (`tokenizer.ggml.model` "llama").
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "text/merger.h"
#include "text/vocabulary_tokenizer.h"

namespace flexinfer {

// A text begins as its characters; the two neighbours that together are the token of the highest score are
// joined. A character that is no token becomes the tokens of its bytes.
class SpmTokenizer final : public VocabularyTokenizer {
 public:
  static Result<std::unique_ptr<Tokenizer>> create(const Metadata& metadata);

  uint64_t resident_bytes() const override;
  bool strips_leading_space() const override { return adds_space_prefix_; }

 private:
  SpmTokenizer(TokenTable vocabulary, TokenRoles roles, std::vector<uint32_t> ranks, bool adds_space_prefix);

  Status encode_fragment(std::string_view text, bool after_special,
                         std::vector<Token>& tokens) const override;
  void encode_stretch(std::string_view text, Merger& merger, std::vector<Token>& tokens) const;
  void append_piece(std::string_view bytes, Token token, std::vector<Token>& tokens) const;

  std::vector<uint32_t> ranks_;  // of each token: the higher its score, the lower; equal for equal scores
  bool adds_space_prefix_;       // a text begins with a blank, and so does what follows a special token
  bool cuts_before_blanks_;      // no token holds a blank after something else, so no merge goes across that
                                 // border
};

}  // namespace flexinfer
