// Finds the tokens that are matched as whole words, before any other rule looks at a text.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

#include "base/function_ref.h"
#include "text/token_table.h"

namespace flexinfer {

// User-defined tokens are always found; control and unknown tokens only where the caller lets text spell
// them. Immutable; thread-safe. Refers to the vocabulary, which must outlive it.
class SpecialTokens {
 public:
  explicit SpecialTokens(const TokenTable& vocabulary);

  struct Match {
    size_t begin = 0;  // the size of the text where there is no match
    size_t n_bytes = 0;
    Token token = kNoToken;
  };
  // How many bytes of a text, from a place in it on, may be part of a control token. Asked for places from
  // left to right.
  using TrustedBytes = FunctionRef<size_t(size_t at)>;
  // The leftmost match at or after `from`, and of those that begin there the longest.
  Match first_match(std::string_view text, size_t from, TrustedBytes trusted_bytes) const;

  uint64_t resident_bytes() const { return entries_.capacity() * sizeof(Entry); }

 private:
  static constexpr uint32_t kNone = std::numeric_limits<uint32_t>::max();
  struct Entry {
    Token token;
    uint32_t prefix;  // the longest other entry that this one begins with, or kNone
  };

  std::string_view bytes_of(const Entry& entry) const { return vocabulary_.bytes(entry.token); }
  void find_prefixes();
  bool is_wanted(Token token, size_t n_trusted) const;
  Token longest_at(std::string_view text, size_t n_trusted) const;

  const TokenTable& vocabulary_;
  std::vector<Entry> entries_;              // sorted by their bytes
  std::array<bool, 256> begins_user_ = {};  // whether a user-defined token begins with this byte
  std::array<bool, 256> begins_any_ = {};
};

}  // namespace flexinfer
