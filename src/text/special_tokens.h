// Finds the tokens that are matched as whole words, before any other rule looks at a text.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "text/vocabulary.h"

namespace flexinfer {

// User-defined tokens are always found; control and unknown tokens only where the caller lets text spell
// them. Immutable; thread-safe. Refers to the vocabulary, which must outlive it.
class SpecialTokens {
 public:
  explicit SpecialTokens(const Vocabulary& vocabulary);

  struct Match {
    size_t begin = 0;  // the size of the text where there is no match
    size_t n_bytes = 0;
    Token token = kNoToken;
  };
  // The leftmost match, and of those that begin there the longest.
  Match first_match(std::string_view text, bool parse_special) const;

  uint64_t resident_bytes() const { return tokens_.capacity() * sizeof(Token); }

 private:
  bool is_wanted(Token token, bool parse_special) const;
  Token longest_at(std::string_view text, bool parse_special) const;

  const Vocabulary& vocabulary_;
  std::vector<Token> tokens_;               // sorted by their bytes
  std::array<bool, 256> begins_user_ = {};  // whether a user-defined token begins with this byte
  std::array<bool, 256> begins_any_ = {};
};

}  // namespace flexinfer
