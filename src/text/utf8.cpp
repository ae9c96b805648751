#include "text/utf8.h"

#include <cstdint>

namespace flexinfer {
namespace {

// What may follow a first byte: how many bytes, and the range of the first of them (the others are
// 0x80..0xBF).
struct Continuation {
  size_t n_bytes = 0;  // 0: not a first byte of several
  uint8_t low = 0x80;
  uint8_t high = 0xBF;
};

Continuation continuation_of(uint8_t first) {
  if (first >= 0xC2 && first <= 0xDF) return {.n_bytes = 1};
  if (first == 0xE0) return {.n_bytes = 2, .low = 0xA0};
  if (first == 0xED) return {.n_bytes = 2, .high = 0x9F};
  if (first >= 0xE1 && first <= 0xEF) return {.n_bytes = 2};
  if (first == 0xF0) return {.n_bytes = 3, .low = 0x90};
  if (first >= 0xF1 && first <= 0xF3) return {.n_bytes = 3};
  if (first == 0xF4) return {.n_bytes = 3, .high = 0x8F};
  return {};
}

}  // namespace

Utf8Unit first_utf8_unit(std::string_view text) {
  const auto byte = [text](size_t index) { return static_cast<uint8_t>(text[index]); };
  if (byte(0) < 0x80) return {Utf8State::kCharacter, 1};
  const Continuation continuation = continuation_of(byte(0));
  if (continuation.n_bytes == 0) return {Utf8State::kInvalid, 1};
  for (size_t i = 1; i <= continuation.n_bytes; ++i) {
    if (i == text.size()) return {Utf8State::kIncomplete, i};
    const uint8_t low = i == 1 ? continuation.low : 0x80;
    const uint8_t high = i == 1 ? continuation.high : 0xBF;
    if (byte(i) < low || byte(i) > high) return {Utf8State::kInvalid, i};
  }
  return {Utf8State::kCharacter, continuation.n_bytes + 1};
}

size_t valid_utf8_prefix(std::string_view text) {
  size_t n_bytes = 0;
  while (n_bytes < text.size()) {
    const Utf8Unit unit = first_utf8_unit(text.substr(n_bytes));
    if (unit.state != Utf8State::kCharacter) break;
    n_bytes += unit.n_bytes;
  }
  return n_bytes;
}

}  // namespace flexinfer
