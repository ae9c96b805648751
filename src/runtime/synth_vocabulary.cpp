#include "runtime/synth_vocabulary.h"

#include <fmt/format.h>

#include <string_view>

namespace flexinfer {
namespace {

constexpr std::string_view kSpace = "\xe2\x96\x81";  // U+2581, which SentencePiece writes for a space

enum TokenType : int32_t { kNormal = 1, kUnknown = 2, kControl = 3, kByte = 6 };

// The number-th word in the order a, b ... z, aa, ab ...
std::string word(uint64_t number) {
  std::string letters;
  for (uint64_t left = number + 1; left > 0; left = (left - 1) / 26) {
    letters.insert(letters.begin(), static_cast<char>('a' + (left - 1) % 26));
  }
  return letters;
}

// Piece 0 is a space alone; then come the words, each without and with a space before it.
std::string piece(uint64_t number) {
  if (number == 0) return std::string(kSpace);
  const std::string letters = word((number - 1) / 2);
  return number % 2 == 1 ? letters : std::string(kSpace) + letters;
}

}  // namespace

SynthVocabulary make_synth_vocabulary(uint64_t n_tokens) {
  SynthVocabulary vocabulary;
  const auto add = [&](std::string token, float score, TokenType type) {
    vocabulary.tokens.push_back(std::move(token));
    vocabulary.scores.push_back(score);
    vocabulary.types.push_back(type);
  };
  add("<unk>", 0, kUnknown);
  add("<s>", 0, kControl);
  add("</s>", 0, kControl);
  for (int byte = 0; byte < 256; ++byte)
    add(fmt::format("<0x{:02X}>", byte), 0, kByte);
  for (uint64_t i = 0; vocabulary.tokens.size() < n_tokens; ++i)
    add(piece(i), -static_cast<float>(i), kNormal);
  return vocabulary;
}

}  // namespace flexinfer
