// What is written out in a template: strings, numbers, constants.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "text/template/lexer.h"
#include "text/template/value.h"

namespace flexinfer::jinja {

// true, none and their like, in both spellings.
std::optional<Value> constant_named(std::string_view name);

// The text of a kString token, with Python's escapes undone.
Result<std::string> unescape(const LexerToken& token);

// Of a kInteger or kFloat token.
Result<Value> number_value(const LexerToken& token);

// A decimal integer as Python's int() reads it, white space around it allowed.
std::optional<int64_t> parse_int(std::string_view text, int base = 10);
std::optional<double> parse_float(std::string_view text);

}  // namespace flexinfer::jinja
