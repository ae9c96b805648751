#include "text/template/characters.h"

#include <string.h>  // memmem
#include <utf8proc.h>

#include <algorithm>

namespace flexinfer::jinja {
namespace {

constexpr uint32_t kSharpS = 0xDF;

bool continues(char byte) {
  return (static_cast<uint8_t>(byte) & 0xC0) == 0x80;
}

utf8proc_category_t category(uint32_t code_point) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(code_point));
}

bool contains(const Text& characters, uint32_t code_point) {
  for (std::string_view rest = characters.bytes(); !rest.empty();) {
    const Character character = first_character(rest);
    if (character.code_point == code_point) return true;
    rest.remove_prefix(character.n_bytes);
  }
  return false;
}

}  // namespace

Character first_character(std::string_view text) {
  const auto lead = static_cast<uint8_t>(text.front());
  if (lead < 0x80) return {lead, 1};
  const size_t n_bytes = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  uint32_t code_point = lead & (0xFFU >> (n_bytes + 1));
  for (size_t i = 1; i < std::min(n_bytes, text.size()); ++i)
    code_point = code_point << 6 | (static_cast<uint8_t>(text[i]) & 0x3FU);
  return {code_point, std::min(n_bytes, text.size())};
}

Character last_character(std::string_view text) {
  size_t begin = text.size() - 1;
  while (begin > 0 && continues(text[begin]))
    --begin;
  return first_character(text.substr(begin));
}

void append_utf8(uint32_t code_point, std::string& out) {
  utf8proc_uint8_t bytes[4] = {};
  const auto n_bytes = utf8proc_encode_char(static_cast<utf8proc_int32_t>(code_point), bytes);
  out.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(n_bytes));
}

int64_t n_characters(std::string_view text) {
  return std::ranges::count_if(text, [](char byte) { return !continues(byte); });
}

size_t bytes_of_characters(std::string_view text, int64_t n) {
  size_t at = 0;
  for (; at < text.size(); ++at) {
    if (!continues(text[at]) && n-- == 0) break;
  }
  return at;
}

bool is_space(uint32_t code_point) {
  if (code_point < 0x80)
    return (code_point >= 9 && code_point <= 13) || (code_point >= 0x1C && code_point <= 0x20);
  if (code_point == 0x85) return true;
  const utf8proc_category_t kind = category(code_point);
  return kind == UTF8PROC_CATEGORY_ZS || kind == UTF8PROC_CATEGORY_ZL || kind == UTF8PROC_CATEGORY_ZP;
}

bool is_printable(uint32_t code_point) {
  switch (category(code_point)) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return false;
    case UTF8PROC_CATEGORY_ZS:
      return code_point == ' ';
    default:
      return true;
  }
}

bool is_letter(uint32_t code_point) {
  const utf8proc_category_t kind = category(code_point);
  return kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_LO;
}
bool is_decimal(uint32_t code_point) {
  return category(code_point) == UTF8PROC_CATEGORY_ND;
}
bool is_upper(uint32_t code_point) {
  return category(code_point) == UTF8PROC_CATEGORY_LU;
}
bool is_lower(uint32_t code_point) {
  return category(code_point) == UTF8PROC_CATEGORY_LL;
}

Text strip(const Text& text, Sides sides, const Text* characters) {
  const auto is_wanted = [&](uint32_t code_point) {
    return characters == nullptr ? is_space(code_point) : contains(*characters, code_point);
  };
  std::string_view rest = text.bytes();
  while ((static_cast<int>(sides) & static_cast<int>(Sides::kLeft)) != 0 && !rest.empty()) {
    const Character character = first_character(rest);
    if (!is_wanted(character.code_point)) break;
    rest.remove_prefix(character.n_bytes);
  }
  const size_t begin = text.size() - rest.size();
  while ((static_cast<int>(sides) & static_cast<int>(Sides::kRight)) != 0 && !rest.empty()) {
    const Character character = last_character(rest);
    if (!is_wanted(character.code_point)) break;
    rest.remove_suffix(character.n_bytes);
  }
  return text.part(begin, rest.size());
}

size_t find_bytes(std::string_view text, std::string_view wanted, size_t from) {
  if (from > text.size()) return std::string_view::npos;
  if (wanted.empty()) return from;
  if (from == text.size()) return std::string_view::npos;  // an empty text may have no place in memory
  const void* found = memmem(text.data() + from, text.size() - from, wanted.data(), wanted.size());
  if (found == nullptr) return std::string_view::npos;
  return static_cast<size_t>(static_cast<const char*>(found) - text.data());
}

void append_in_case(uint32_t code_point, Case wanted, std::string& out) {
  if (code_point == kSharpS && wanted == Case::kUpper) {
    out.append("SS");
    return;
  }
  const auto original = static_cast<utf8proc_int32_t>(code_point);
  const auto changed = wanted == Case::kUpper ? utf8proc_toupper(original) : utf8proc_tolower(original);
  append_utf8(static_cast<uint32_t>(changed), out);
}

}  // namespace flexinfer::jinja
