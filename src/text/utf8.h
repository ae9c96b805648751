// Reads UTF-8 one character at a time, telling apart what is wrong from what is merely not complete.
#pragma once

#include <cstddef>
#include <string_view>

namespace flexinfer {

enum class Utf8State {
  kCharacter,   // a whole character
  kIncomplete,  // the beginning of a character; more bytes may complete it
  kInvalid,     // bytes that can never become a character
};

struct Utf8Unit {
  Utf8State state = Utf8State::kCharacter;
  size_t n_bytes = 0;  // at least 1. Of invalid bytes: the longest run that begins some character
                       // (Unicode 3.9, U+FFFD substitution of maximal subparts)
};

// The first unit of a text that is not empty. Well-formed UTF-8 is that of Unicode table 3-7: no overlong
// forms, no surrogates, nothing above U+10FFFF.
Utf8Unit first_utf8_unit(std::string_view text);

// Bytes at the beginning of the text that are well-formed UTF-8.
size_t valid_utf8_prefix(std::string_view text);

}  // namespace flexinfer
