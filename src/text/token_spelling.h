// How vocabularies write the bytes of a token as text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace flexinfer {

enum class TokenSpelling {
  kSentencePiece,  // a blank is written U+2581
  kByteLevel,      // every byte is written as one printable character, as GPT-2 does
};

// "Ġthe" -> " the"; nullopt where a character of the text stands for no byte.
std::optional<std::string> bytes_from_byte_level(std::string_view text);

// Every U+2581 becomes a blank.
std::string blanks_from_symbols(std::string_view text);

// "<0x0A>" -> 0x0A; nullopt where the text is not of this form.
std::optional<uint8_t> parse_byte_token(std::string_view text);

}  // namespace flexinfer
