// The pairs of tokens that byte-level BPE joins, in the order in which it joins them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "gguf/metadata.h"
#include "text/index_table.h"
#include "text/token_table.h"

namespace flexinfer {

// Immutable; thread-safe.
class MergeTable {
 public:
  // From `tokenizer.ggml.merges`. kCorrupt where a merge is not two tokens of the vocabulary that together
  // are a third, kUnsupported where there are more than any vocabulary has.
  static Result<MergeTable> read(const Metadata& metadata, const TokenTable& vocabulary);

  // The place of a pair in the list; the first where it stands there twice.
  std::optional<uint32_t> rank(Token left, Token right) const;

  uint64_t resident_bytes() const { return pairs_.capacity() * sizeof(Pair) + index_.resident_bytes(); }

 private:
  struct Pair {
    Token left;
    Token right;
    bool operator==(const Pair&) const = default;
  };
  static std::string_view key(const Pair& pair);

  std::vector<Pair> pairs_;
  IndexTable index_;
};

}  // namespace flexinfer
