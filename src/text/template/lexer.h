// A template's source cut into tokens, white space around tags taken away as Jinja does with trim_blocks and
// lstrip_blocks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace flexinfer::jinja {

enum class TokenKind : uint8_t {
  kData,  // text between tags
  kTagBegin,
  kTagEnd,
  kOutputBegin,
  kOutputEnd,
  kName,
  kString,  // with its quotes and escapes
  kInteger,
  kFloat,
  kOperator,
  kEnd,
};

struct LexerToken {
  TokenKind kind = TokenKind::kEnd;
  uint32_t line = 1;
  std::string_view text;  // of the source
};

// "line 3: MESSAGE", an error in the source of a template.
tl::unexpected<Error> syntax_error(uint32_t line, std::string_view message);

// Every line break becomes \n, and one at the very end is dropped.
std::string normalize_newlines(std::string_view source);

// The source must have normal line breaks and outlive the tokens; the last token is kEnd.
Result<std::vector<LexerToken>> tokenize(std::string_view source);

}  // namespace flexinfer::jinja
