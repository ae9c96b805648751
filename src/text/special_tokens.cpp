#include "text/special_tokens.h"

#include <algorithm>

namespace flexinfer {
namespace {

size_t common_prefix(std::string_view a, std::string_view b) {
  return static_cast<size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
}

}  // namespace

SpecialTokens::SpecialTokens(const TokenTable& vocabulary) : vocabulary_(vocabulary) {
  for (Token token = 0; token < vocabulary.size(); ++token) {
    const std::string_view bytes = vocabulary.bytes(token);
    if (!is_matched_whole(vocabulary.type(token)) || bytes.empty()) continue;
    entries_.push_back({token, kNone});
    const auto first = static_cast<uint8_t>(bytes.front());
    begins_any_[first] = true;
    if (vocabulary.type(token) == TokenType::kUserDefined) begins_user_[first] = true;
  }
  entries_.shrink_to_fit();
  std::ranges::sort(entries_, {}, [&](const Entry& entry) { return bytes_of(entry); });
  find_prefixes();
}

// In this order a token stands behind all that it begins with, and only tokens that begin alike stand
// between.
void SpecialTokens::find_prefixes() {
  for (uint32_t index = 1; index < entries_.size(); ++index) {
    uint32_t prefix = index - 1;
    while (prefix != kNone && !bytes_of(entries_[index]).starts_with(bytes_of(entries_[prefix])))
      prefix = entries_[prefix].prefix;
    entries_[index].prefix = prefix;
  }
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

// What a text begins with is, or is a prefix of, the last token that does not sort behind the text.
Token SpecialTokens::longest_at(std::string_view text, size_t n_trusted) const {
  const auto sorts_before = [&](std::string_view bytes, const Entry& entry) {
    return bytes < bytes_of(entry);
  };
  const auto next = std::upper_bound(entries_.begin(), entries_.end(), text, sorts_before);
  if (next == entries_.begin()) return kNoToken;
  const size_t n_common = common_prefix(text, bytes_of(next[-1]));
  for (auto index = static_cast<uint32_t>(next - entries_.begin() - 1); index != kNone;
       index = entries_[index].prefix) {
    const Token token = entries_[index].token;
    if (vocabulary_.bytes(token).size() <= n_common && is_wanted(token, n_trusted)) return token;
  }
  return kNoToken;
}

}  // namespace flexinfer
