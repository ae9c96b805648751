#include "text/token_spelling.h"

#include <array>
#include <charconv>

#include "text/utf8.h"

namespace flexinfer {
namespace {

constexpr std::string_view kBlankSymbol = "\xE2\x96\x81";  // U+2581
constexpr size_t kAlphabetSize = 256 + 68;                 // 68 bytes are not printable in Latin-1

constexpr bool is_printable(uint32_t byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

// The byte that each character up to U+0143 stands for, or -1. A printable Latin-1 character stands for the
// byte of the same value; the other bytes, in their order, are written U+0100, U+0101 ...
constexpr std::array<int16_t, kAlphabetSize> make_byte_level_alphabet() {
  std::array<int16_t, kAlphabetSize> bytes{};
  bytes.fill(-1);
  size_t n_moved = 0;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    bytes[is_printable(byte) ? byte : 256 + n_moved++] = static_cast<int16_t>(byte);
  }
  return bytes;
}

constexpr std::array<int16_t, kAlphabetSize> kByteLevelAlphabet = make_byte_level_alphabet();

// The code point of a well-formed character of one or two bytes: the alphabet has no longer ones.
uint32_t short_code_point(std::string_view character) {
  const auto first = static_cast<uint8_t>(character[0]);
  if (character.size() == 1) return first;
  return (first & 0x1FU) << 6 | (static_cast<uint8_t>(character[1]) & 0x3FU);
}

}  // namespace

std::optional<std::string> bytes_from_byte_level(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  while (!text.empty()) {
    const Utf8Unit unit = first_utf8_unit(text);
    if (unit.state != Utf8State::kCharacter || unit.n_bytes > 2) return std::nullopt;
    const uint32_t code_point = short_code_point(text.substr(0, unit.n_bytes));
    if (code_point >= kAlphabetSize || kByteLevelAlphabet[code_point] < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(kByteLevelAlphabet[code_point]));
    text.remove_prefix(unit.n_bytes);
  }
  return bytes;
}

std::string blanks_from_symbols(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = text.find(kBlankSymbol); at != std::string_view::npos; at = text.find(kBlankSymbol)) {
    out.append(text.substr(0, at)).push_back(' ');
    text.remove_prefix(at + kBlankSymbol.size());
  }
  return out.append(text);
}

std::optional<uint8_t> parse_byte_token(std::string_view text) {
  if (text.size() != 6 || !text.starts_with("<0x") || text.back() != '>') return std::nullopt;
  uint8_t byte = 0;
  const char* end = text.data() + 5;
  const auto [parsed, error] = std::from_chars(text.data() + 3, end, byte, 16);
  if (error != std::errc() || parsed != end) return std::nullopt;
  return byte;
}

}  // namespace flexinfer
