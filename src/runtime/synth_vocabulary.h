// The vocabulary of a synthetic model: SentencePiece in form, with made-up word pieces.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace flexinfer {

inline constexpr uint32_t kSynthUnknown = 0;
inline constexpr uint32_t kSynthBegin = 1;
inline constexpr uint32_t kSynthEnd = 2;
inline constexpr uint64_t kSmallestSynthVocabulary = 3 + 256;

struct SynthVocabulary {
  std::vector<std::string> tokens;  // all different
  std::vector<float> scores;
  std::vector<int32_t> types;  // as llama.cpp numbers them
};

// Unknown, begin and end, the 256 bytes, then pieces of one letter, two letters ... each with and without a
// space before it: every text has tokens, and every piece can be reached by merges. Requires at least
// kSmallestSynthVocabulary tokens.
SynthVocabulary make_synth_vocabulary(uint64_t n_tokens);

}  // namespace flexinfer
