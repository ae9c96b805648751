#include "text/template/literals.h"

#include <fmt/format.h>

#include <charconv>

#include "text/template/characters.h"

namespace flexinfer::jinja {
namespace {

std::string without_underscores(std::string_view text) {
  std::string out(text);
  std::erase(out, '_');
  return out;
}

struct Escape {
  std::string text;
  size_t n_bytes = 0;  // after the backslash
};

constexpr uint32_t kReplacement = 0xFFFD;  // for half a surrogate pair, which UTF-8 cannot hold

std::optional<Escape> hexadecimal_escape(std::string_view after, size_t n_digits) {
  uint32_t code_point = 0;
  const std::string_view digits = after.substr(1, n_digits);
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), code_point, 16);
  if (digits.size() < n_digits || read.ptr != digits.data() + digits.size()) return std::nullopt;
  if (code_point > 0x10FFFF) return std::nullopt;
  if (code_point >= 0xD800 && code_point < 0xE000) code_point = kReplacement;
  Escape escape{.text = {}, .n_bytes = 1 + n_digits};
  append_utf8(code_point, escape.text);
  return escape;
}

Escape octal_escape(std::string_view after) {
  uint32_t code_point = 0;
  size_t n_digits = 0;
  for (; n_digits < 3 && n_digits < after.size() && after[n_digits] >= '0' && after[n_digits] <= '7';
       ++n_digits)
    code_point = code_point * 8 + static_cast<uint32_t>(after[n_digits] - '0');
  Escape escape{.text = {}, .n_bytes = n_digits};
  append_utf8(code_point, escape.text);
  return escape;
}

// nullopt where what should be hexadecimal is not.
std::optional<Escape> read_escape(std::string_view after) {
  constexpr std::string_view kNamed = "abfnrtv\\'\"\n";
  constexpr std::string_view kMeaning = "\a\b\f\n\r\t\v\\'\"";
  const size_t named = kNamed.find(after.front());
  if (named < kMeaning.size()) return Escape{std::string(1, kMeaning[named]), 1};
  switch (after.front()) {
    case '\n':
      return Escape{"", 1};
    case 'x':
      return hexadecimal_escape(after, 2);
    case 'u':
      return hexadecimal_escape(after, 4);
    case 'U':
      return hexadecimal_escape(after, 8);
    case 'N':
      return std::nullopt;
    default:
      break;
  }
  if (after.front() >= '0' && after.front() <= '7') return octal_escape(after);
  return Escape{"\\", 0};  // a backslash before anything else is itself
}

}  // namespace

std::optional<Value> constant_named(std::string_view name) {
  if (name == "true" || name == "True") return Value(true);
  if (name == "false" || name == "False") return Value(false);
  if (name == "none" || name == "None") return Value(None{});
  return std::nullopt;
}

Result<std::string> unescape(const LexerToken& token) {
  std::string out;
  std::string_view rest = token.text.substr(1, token.text.size() - 2);
  while (!rest.empty()) {
    const size_t plain = std::min(rest.find('\\'), rest.size());
    out.append(rest.substr(0, plain));
    rest.remove_prefix(plain);
    if (rest.empty()) break;
    const auto escape = read_escape(rest.substr(1));
    if (!escape) return syntax_error(token.line, "a string has an escape that stands for no character");
    out.append(escape->text);
    rest.remove_prefix(1 + escape->n_bytes);
  }
  return out;
}

Result<Value> number_value(const LexerToken& token) {
  if (token.kind == TokenKind::kFloat) {
    if (const auto number = parse_float(token.text)) return Value(*number);
    return syntax_error(token.line, fmt::format("the number {} cannot be read", token.text));
  }
  const std::string_view prefix = token.text.substr(0, 2);
  const int base = prefix == "0x" || prefix == "0X"   ? 16
                   : prefix == "0b" || prefix == "0B" ? 2
                   : prefix == "0o" || prefix == "0O" ? 8
                                                      : 10;
  if (const auto number = parse_int(base == 10 ? token.text : token.text.substr(2), base))
    return Value(*number);
  return syntax_error(token.line, fmt::format("the number {} cannot be read", token.text));
}

std::optional<int64_t> parse_int(std::string_view text, int base) {
  const std::string digits = without_underscores(strip(Text(text, true), Sides::kBoth).bytes());
  const char* begin = digits.data() + (digits.starts_with('+') ? 1 : 0);
  int64_t number = 0;
  const auto read = std::from_chars(begin, digits.data() + digits.size(), number, base);
  if (read.ec != std::errc() || read.ptr != digits.data() + digits.size()) return std::nullopt;
  return number;
}

std::optional<double> parse_float(std::string_view text) {
  const std::string digits = without_underscores(strip(Text(text, true), Sides::kBoth).bytes());
  const char* begin = digits.data() + (digits.starts_with('+') ? 1 : 0);
  double number = 0;
  const auto read = std::from_chars(begin, digits.data() + digits.size(), number);
  if (read.ec != std::errc() || read.ptr != digits.data() + digits.size()) return std::nullopt;
  return number;
}

}  // namespace flexinfer::jinja
