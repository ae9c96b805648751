#include "text/vocabulary_tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/bytes.h"

namespace flexinfer {
namespace {

constexpr size_t kLongestText = kGiB;  // offsets within a text have 32 bits

bool is_silent(TokenType type) {
  return type == TokenType::kControl || type == TokenType::kUnknown || type == TokenType::kUnused;
}

}  // namespace

VocabularyTokenizer::VocabularyTokenizer(Vocabulary vocabulary, TokenRoles roles)
    : vocabulary_(std::move(vocabulary)), special_tokens_(vocabulary_), roles_(std::move(roles)) {}

Result<std::vector<Token>> VocabularyTokenizer::encode(std::string_view text,
                                                       const EncodeOptions& options) const {
  if (text.size() > kLongestText) {
    return make_error(ErrorCode::kUsage, fmt::format("a text of {} is too long to encode at once: at most {}",
                                                     format_bytes(text.size()), format_bytes(kLongestText)));
  }
  std::vector<Token> tokens;
  if (options.add_special && roles_.add_bos) tokens.push_back(roles_.bos);
  bool after_special = true;
  while (!text.empty()) {
    const SpecialTokens::Match match = special_tokens_.first_match(text, options.parse_special);
    if (match.begin > 0) FLEX_CHECK(encode_fragment(text.substr(0, match.begin), after_special, tokens));
    after_special = match.token != kNoToken;
    if (after_special) tokens.push_back(match.token);
    text.remove_prefix(match.begin + match.n_bytes);
  }
  if (options.add_special && roles_.add_eos) tokens.push_back(roles_.eos);
  return tokens;
}

std::string VocabularyTokenizer::decode(Token token) const {
  if (!vocabulary_.contains(token) || is_silent(vocabulary_.type(token))) return {};
  return std::string(vocabulary_.bytes(token));
}

bool VocabularyTokenizer::is_end_of_generation(Token token) const {
  return std::ranges::binary_search(roles_.end_of_generation, token);
}

uint64_t VocabularyTokenizer::resident_bytes() const {
  return sizeof(*this) + vocabulary_.resident_bytes() + special_tokens_.resident_bytes() +
         roles_.end_of_generation.capacity() * sizeof(Token);
}

void VocabularyTokenizer::append_unknown(std::vector<Token>& tokens) const {
  if (roles_.unknown == kNoToken) return;
  if (tokens.empty() || tokens.back() != roles_.unknown) tokens.push_back(roles_.unknown);
}

}  // namespace flexinfer
