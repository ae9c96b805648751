#include "text/special_tokens.h"

#include <algorithm>

namespace flexinfer {
namespace {

bool is_special(TokenType type) {
  return type == TokenType::kUserDefined || type == TokenType::kControl || type == TokenType::kUnknown;
}

}  // namespace

SpecialTokens::SpecialTokens(const TokenTable& vocabulary) : vocabulary_(vocabulary) {
  for (Token token = 0; token < vocabulary.size(); ++token) {
    const std::string_view bytes = vocabulary.bytes(token);
    if (!is_special(vocabulary.type(token)) || bytes.empty()) continue;
    tokens_.push_back(token);
    const auto first = static_cast<uint8_t>(bytes.front());
    begins_any_[first] = true;
    if (vocabulary.type(token) == TokenType::kUserDefined) begins_user_[first] = true;
  }
  tokens_.shrink_to_fit();
  std::sort(tokens_.begin(), tokens_.end(),
            [&](Token a, Token b) { return vocabulary.bytes(a) < vocabulary.bytes(b); });
}

SpecialTokens::Match SpecialTokens::first_match(std::string_view text, size_t from,
                                                TrustedBytes trusted_bytes) const {
  for (size_t at = from; at < text.size(); ++at) {
    const auto first = static_cast<uint8_t>(text[at]);
    if (!begins_any_[first]) continue;
    const size_t n_trusted = trusted_bytes(at);
    if (n_trusted == 0 && !begins_user_[first]) continue;
    const Token token = longest_at(text.substr(at), n_trusted);
    if (token != kNoToken) return {.begin = at, .n_bytes = vocabulary_.bytes(token).size(), .token = token};
  }
  return {.begin = text.size()};
}

bool SpecialTokens::is_wanted(Token token, size_t n_trusted) const {
  return vocabulary_.type(token) == TokenType::kUserDefined || vocabulary_.bytes(token).size() <= n_trusted;
}

// The tokens that begin as the text does are neighbours in the sorted list: the range of them narrows byte by
// byte.
Token SpecialTokens::longest_at(std::string_view text, size_t n_trusted) const {
  Token longest = kNoToken;
  auto begin = tokens_.begin();
  auto end = tokens_.end();
  for (size_t depth = 0; begin != end; ++depth) {
    // The shorter sorts first: a token that ends here is at the front (two, if one is written in another
    // spelling).
    for (; begin != end && vocabulary_.bytes(*begin).size() == depth; ++begin) {
      if (is_wanted(*begin, n_trusted)) longest = *begin;
    }
    if (depth == text.size()) break;
    const auto byte_of = [&](Token token) { return static_cast<uint8_t>(vocabulary_.bytes(token)[depth]); };
    const auto byte = static_cast<uint8_t>(text[depth]);
    begin = std::partition_point(begin, end, [&](Token token) { return byte_of(token) < byte; });
    end = std::partition_point(begin, end, [&](Token token) { return byte_of(token) == byte; });
  }
  return longest;
}

}  // namespace flexinfer
