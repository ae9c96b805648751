// Texts by characters (code points), as Python counts them. All bytes are well-formed UTF-8.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "text/template/value.h"

namespace flexinfer::jinja {

struct Character {
  uint32_t code_point = 0;
  size_t n_bytes = 0;
};
// The first of a text that is not empty.
Character first_character(std::string_view text);
Character last_character(std::string_view text);
void append_utf8(uint32_t code_point, std::string& out);

int64_t n_characters(std::string_view text);
// Bytes of the first n characters; of all of them where there are fewer.
size_t bytes_of_characters(std::string_view text, int64_t n);

// As str.isspace() and str.isprintable() have it.
bool is_space(uint32_t code_point);
bool is_printable(uint32_t code_point);
bool is_letter(uint32_t code_point);
bool is_decimal(uint32_t code_point);
bool is_upper(uint32_t code_point);
bool is_lower(uint32_t code_point);

enum class Sides : uint8_t { kLeft = 1, kRight = 2, kBoth = 3 };
// Without the characters at its ends that are white space, or one of `characters` where these are given.
Text strip(const Text& text, Sides sides, const Text* characters = nullptr);

// Where `wanted` stands at or after `from`; npos where it does not. Linear time.
size_t find_bytes(std::string_view text, std::string_view wanted, size_t from = 0);

// Changes the case of one character; some become two ("\u00DF" -> "SS").
enum class Case : uint8_t { kUpper, kLower };
void append_in_case(uint32_t code_point, Case wanted, std::string& out);

}  // namespace flexinfer::jinja
