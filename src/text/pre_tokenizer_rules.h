// How each family of byte-level BPE models cuts a text into words before it encodes them.
#pragma once

#include <array>
#include <string_view>

namespace flexinfer {

struct PreTokenizerRules {
  std::string_view name;  // in `tokenizer.ggml.pre`
  // Regular expressions, applied in turn: each cuts every piece left by those before it into its matches and
  // what lies between them. Those not needed are empty.
  std::array<std::string_view, 6> patterns;
  bool normalizes = false;      // the text is brought to Unicode's composed form (NFC) first
  bool ignores_merges = false;  // a piece that is a token is that token, whatever the merges would give
  bool adds_bos = false;        // where the file does not say
};

// nullptr where the name is not known.
const PreTokenizerRules* find_pre_tokenizer_rules(std::string_view name);

}  // namespace flexinfer
