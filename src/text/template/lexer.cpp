#include "text/template/lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "gguf/quote.h"
#include "text/template/characters.h"

namespace flexinfer::jinja {
namespace {

constexpr std::array<std::string_view, 7> kLongOperators = {"//", "**", "==", "!=", ">=", "<=", "->"};
constexpr std::string_view kOperators = "+-*/%~[](){}<>=.:|,;";

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<uint8_t>(c) >= 0x80;
}
bool is_name_part(char c) {
  return is_name_start(c) || is_digit(c);
}

std::string_view leading_spaces(std::string_view text) {
  const Text whole(text, true);
  return text.substr(0, text.size() - strip(whole, Sides::kLeft).size());
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  Result<std::vector<LexerToken>> run() {
    while (at_ < source_.size())
      FLEX_CHECK(lex_until_tag_ends());
    add(TokenKind::kEnd, {});
    return std::move(tokens_);
  }

 private:
  std::string_view rest() const { return source_.substr(at_); }
  bool follows(std::string_view text) const { return rest().starts_with(text); }

  void add(TokenKind kind, std::string_view text) {
    if (kind == TokenKind::kData && text.empty()) return;
    tokens_.push_back({kind, line_, text});
  }

  // Everything that moves forward does it here, so that lines are counted.
  void skip(size_t n_bytes) {
    const std::string_view skipped = source_.substr(at_, n_bytes);
    line_ += static_cast<uint32_t>(std::ranges::count(skipped, '\n'));
    at_ += skipped.size();
    if (!skipped.empty()) line_starting_ = skipped.back() == '\n';
  }

  size_t next_tag() const {
    size_t at = source_.find('{', at_);
    for (; at != std::string_view::npos; at = source_.find('{', at + 1)) {
      if (at + 1 < source_.size() &&
          std::string_view("{%#").find(source_[at + 1]) != std::string_view::npos) {
        return at;
      }
    }
    return source_.size();
  }

  // The data before a tag, without the white space that the tag takes away.
  std::string_view data_before(size_t tag) const {
    const std::string_view data = source_.substr(at_, tag - at_);
    const char sign = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
    if (sign == '-') return strip(Text(data, true), Sides::kRight).bytes();
    if (sign == '+' || tag == source_.size() || source_[tag + 1] == '{') return data;
    const size_t line_break = data.rfind('\n');
    const size_t line = line_break == std::string_view::npos ? 0 : line_break + 1;
    if (line == 0 && !line_starting_) return data;
    const std::string_view before = data.substr(line);
    return leading_spaces(before).size() == before.size() ? data.substr(0, line) : data;
  }

  Status lex_until_tag_ends() {
    const size_t tag = next_tag();
    add(TokenKind::kData, data_before(tag));
    skip(tag - at_);
    if (tag == source_.size()) return {};
    if (const auto begin = raw_tag("raw")) return lex_raw(*begin);
    const char kind = source_[tag + 1];
    if (kind == '#') return skip_comment();
    add(kind == '%' ? TokenKind::kTagBegin : TokenKind::kOutputBegin, source_.substr(at_, 2));
    skip(2);
    if (follows("-") || follows("+")) skip(1);
    return lex_tag(kind == '%' ? "%}" : "}}");
  }

  Status skip_comment() {
    const uint32_t line = line_;
    skip(2);
    if ((follows("-") || follows("+")) && !follows("-#}") && !follows("+#}")) skip(1);
    const size_t end = source_.find("#}", at_);
    if (end == std::string_view::npos) return syntax_error(line, "a comment does not end");
    const char sign = end > at_ ? source_[end - 1] : '\0';
    skip(end - at_);
    end_tag(sign, true);
    return {};
  }

  // Past the two bytes that end a tag, and the white space that it takes away.
  void end_tag(char sign, bool trims_newline) {
    skip(2);
    if (sign == '-') {
      skip(leading_spaces(rest()).size());
    } else if (trims_newline && sign != '+' && follows("\n")) {
      skip(1);
    }
  }

  // Bytes of "{% raw %}" or "{% endraw %}" where it stands here, without what it takes away after it.
  std::optional<size_t> raw_tag(std::string_view name) const {
    std::string_view text = rest();
    if (!text.starts_with("{%")) return std::nullopt;
    text.remove_prefix(2);
    if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
    text.remove_prefix(leading_spaces(text).size());
    if (!text.starts_with(name)) return std::nullopt;
    text.remove_prefix(name.size());
    text.remove_prefix(leading_spaces(text).size());
    if (text.starts_with('-') || (text.starts_with('+') && name == "endraw")) text.remove_prefix(1);
    if (!text.starts_with("%}")) return std::nullopt;
    return rest().size() - text.size() + 2;
  }

  Status lex_raw(size_t n_bytes) {
    const uint32_t line = line_;
    const char sign = source_[at_ + n_bytes - 3];
    skip(n_bytes);
    if (sign == '-') skip(leading_spaces(rest()).size());
    for (size_t tag = source_.find("{%", at_); tag != std::string_view::npos;
         tag = source_.find("{%", tag + 1)) {
      const size_t begin = std::exchange(at_, tag);
      const auto end_bytes = raw_tag("endraw");
      at_ = begin;
      if (!end_bytes) continue;
      add(TokenKind::kData, data_before(tag));
      skip(tag - at_ + *end_bytes - 2);
      end_tag(source_[at_ - 1], true);
      return {};
    }
    return syntax_error(line, "a raw block does not end");
  }

  Status lex_tag(std::string_view end) {
    const uint32_t line = line_;
    std::string open;  // brackets that are not closed yet
    while (at_ < source_.size()) {
      if (const size_t space = leading_spaces(rest()).size()) {
        skip(space);
        continue;
      }
      const char sign = follows("-") || (follows("+") && end == "%}") ? source_[at_] : '\0';
      if (open.empty() && source_.substr(at_ + (sign == '\0' ? 0 : 1)).starts_with(end)) {
        add(end == "%}" ? TokenKind::kTagEnd : TokenKind::kOutputEnd, end);
        if (sign != '\0') skip(1);
        end_tag(sign, end == "%}");
        return {};
      }
      FLEX_CHECK(lex_token(open));
    }
    return syntax_error(line, "a tag does not end");
  }

  Status lex_token(std::string& open) {
    const char first = source_[at_];
    if (is_digit(first)) return lex_number();
    if (is_name_start(first)) {
      const auto end = std::find_if_not(rest().begin(), rest().end(), is_name_part);
      take(TokenKind::kName, static_cast<size_t>(end - rest().begin()));
      return {};
    }
    if (first == '\'' || first == '"') return lex_string();
    for (const std::string_view text : kLongOperators) {
      if (!follows(text)) continue;
      take(TokenKind::kOperator, text.size());
      return {};
    }
    if (kOperators.find(first) == std::string_view::npos) {
      return syntax_error(line_, fmt::format("{} does not belong into a tag", quote(rest().substr(0, 1))));
    }
    FLEX_CHECK(balance(first, open));
    take(TokenKind::kOperator, 1);
    return {};
  }

  Status balance(char bracket, std::string& open) const {
    constexpr std::string_view kOpening = "([{";
    constexpr std::string_view kClosing = ")]}";
    if (kOpening.find(bracket) != std::string_view::npos) open.push_back(bracket);
    const size_t kind = kClosing.find(bracket);
    if (kind == std::string_view::npos) return {};
    if (open.empty() || open.back() != kOpening[kind]) {
      return syntax_error(line_, fmt::format("'{}' closes nothing", bracket));
    }
    open.pop_back();
    return {};
  }

  void take(TokenKind kind, size_t n_bytes) {
    add(kind, source_.substr(at_, n_bytes));
    skip(n_bytes);
  }

  size_t digits_at(size_t at) const {
    size_t end = at;
    while (end < source_.size() && (is_digit(source_[end]) || (source_[end] == '_' && end > at)))
      ++end;
    return end;
  }

  Status lex_number() {
    if (source_[at_] == '0' && at_ + 1 < source_.size() &&
        std::isalpha(static_cast<uint8_t>(source_[at_ + 1]))) {
      const auto end = std::find_if_not(rest().begin(), rest().end(), is_name_part);
      take(TokenKind::kInteger, static_cast<size_t>(end - rest().begin()));
      return {};
    }
    size_t end = digits_at(at_);
    TokenKind kind = TokenKind::kInteger;
    const bool is_index = at_ > 0 && source_[at_ - 1] == '.';
    if (!is_index && end + 1 < source_.size() && source_[end] == '.' && is_digit(source_[end + 1])) {
      kind = TokenKind::kFloat;
      end = digits_at(end + 1);
    }
    size_t exponent = end + 1;
    if (exponent < source_.size() && (source_[exponent] == '+' || source_[exponent] == '-')) ++exponent;
    if (exponent < source_.size() && (source_[end] == 'e' || source_[end] == 'E') &&
        is_digit(source_[exponent])) {
      kind = TokenKind::kFloat;
      end = digits_at(exponent);
    }
    take(kind, end - at_);
    return {};
  }

  Status lex_string() {
    const char quote = source_[at_];
    for (size_t end = at_ + 1; end < source_.size(); ++end) {
      if (source_[end] == '\\') {
        ++end;
      } else if (source_[end] == quote) {
        take(TokenKind::kString, end + 1 - at_);
        return {};
      }
    }
    return syntax_error(line_, "a string does not end");
  }

  std::string_view source_;
  size_t at_ = 0;
  uint32_t line_ = 1;
  bool line_starting_ = true;  // only a line break lies between a tag and at_
  std::vector<LexerToken> tokens_;
};

}  // namespace

tl::unexpected<Error> syntax_error(uint32_t line, std::string_view message) {
  return make_error(ErrorCode::kUnsupported, fmt::format("line {}: {}", line, message));
}

std::string normalize_newlines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r' && i + 1 < source.size() && source[i + 1] == '\n') continue;
    out.push_back(source[i] == '\r' ? '\n' : source[i]);
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

Result<std::vector<LexerToken>> tokenize(std::string_view source) {
  return Lexer(source).run();
}

}  // namespace flexinfer::jinja
