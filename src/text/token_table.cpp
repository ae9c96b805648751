#include "text/token_table.h"

#include <fmt/format.h>

#include <algorithm>

namespace flexinfer {
namespace {

constexpr std::string_view kTokensKey = "tokenizer.ggml.tokens";
constexpr std::string_view kTypesKey = "tokenizer.ggml.token_type";
constexpr int64_t kLastType = static_cast<int64_t>(TokenType::kByte);

// These bound the memory, and the work for each byte of a text. The largest vocabularies have a quarter of
// the tokens; the longest tokens in use are runs of 128 blanks, written in 256 bytes, and marks of some 40
// bytes.
constexpr size_t kMostTokens = size_t{1} << 20;
constexpr size_t kLongestToken = 2048;
constexpr size_t kLongestMark = 512;

Result<const StringList*> read_texts(const Metadata& metadata) {
  FLEX_TRY(const StringList* texts, metadata.texts(kTokensKey));
  if (texts == nullptr || texts->size() == 0) {
    return make_error(ErrorCode::kCorrupt,
                      fmt::format("{} is missing or empty: the file has no vocabulary", kTokensKey));
  }
  if (texts->size() > kMostTokens) {
    return make_error(ErrorCode::kUnsupported, fmt::format("{} has {} tokens: {} at most are read",
                                                           kTokensKey, texts->size(), kMostTokens));
  }
  return texts;
}

// One type for each token; all normal where the file does not say.
Result<std::vector<TokenType>> read_types(const Metadata& metadata, size_t n_tokens) {
  FLEX_TRY(const auto numbers, metadata.integers(kTypesKey));
  if (!numbers) return std::vector<TokenType>(n_tokens, TokenType::kNormal);
  if (numbers->size() != n_tokens) {
    return make_error(ErrorCode::kCorrupt,
                      fmt::format("{} has {} entries for {} tokens", kTypesKey, numbers->size(), n_tokens));
  }
  std::vector<TokenType> types;
  types.reserve(n_tokens);
  for (const int64_t number : *numbers) {
    if (number < 0 || number > kLastType) {
      return make_error(ErrorCode::kCorrupt,
                        fmt::format("{}: token {} has the type {}, which is none of 0 to {}", kTypesKey,
                                    types.size(), number, kLastType));
    }
    types.push_back(static_cast<TokenType>(number));
  }
  return types;
}

Status check_lengths(const StringList& texts, const std::vector<TokenType>& types) {
  for (size_t token = 0; token < types.size(); ++token) {
    const bool is_mark = is_matched_whole(types[token]);
    const size_t longest = is_mark ? kLongestMark : kLongestToken;
    if (texts[token].size() <= longest) continue;
    return make_error(ErrorCode::kUnsupported,
                      fmt::format("{}: token {} has {} bytes: {} at most are read{}", kTokensKey, token,
                                  texts[token].size(), longest, is_mark ? " of a special token" : ""));
  }
  return {};
}

// Empty tokens may occur more than once: no text spells them.
Status check_unique(const StringList& texts) {
  IndexTable seen(texts.size());
  for (uint32_t token = 0; token < texts.size(); ++token) {
    const std::string_view text = texts[token];
    if (text.empty()) continue;
    if (const auto first = seen.insert(text, token, [&](uint32_t other) { return texts[other] == text; })) {
      return make_error(ErrorCode::kCorrupt,
                        fmt::format("{}: tokens {} and {} have the same text", kTokensKey, *first, token));
    }
  }
  return {};
}

bool is_normal(TokenType type) {
  return type == TokenType::kNormal || type == TokenType::kUndefined;
}

// A token that is not written as the spelling asks stands for its text as it is.
std::string spelled_bytes(std::string_view text, TokenSpelling spelling) {
  if (spelling == TokenSpelling::kSentencePiece) return blanks_from_symbols(text);
  return bytes_from_byte_level(text).value_or(std::string(text));
}

}  // namespace

Result<TokenTable> TokenTable::read(const Metadata& metadata, TokenSpelling spelling) {
  FLEX_TRY(const StringList* texts, read_texts(metadata));
  FLEX_TRY(const std::vector<TokenType> types, read_types(metadata, texts->size()));
  FLEX_CHECK(check_lengths(*texts, types));
  FLEX_CHECK(check_unique(*texts));
  TokenTable vocabulary;
  vocabulary.byte_tokens_.fill(kNoToken);
  vocabulary.ends_.reserve(types.size());
  vocabulary.types_.reserve(types.size());
  for (size_t token = 0; token < types.size(); ++token) {
    FLEX_CHECK(vocabulary.append(static_cast<Token>(token), (*texts)[token], types[token], spelling));
  }
  vocabulary.bytes_.shrink_to_fit();
  vocabulary.index_ = IndexTable(types.size());
  // A user-defined token may be spelled like a normal one; then the normal one is what merges lead to.
  vocabulary.make_findable(TokenType::kNormal);
  vocabulary.make_findable(TokenType::kUserDefined);
  if (spelling == TokenSpelling::kByteLevel) vocabulary.fill_byte_tokens();
  return vocabulary;
}

Status TokenTable::append(Token token, std::string_view text, TokenType type, TokenSpelling spelling) {
  if (is_normal(type)) {
    type = TokenType::kNormal;
    bytes_.append(spelled_bytes(text, spelling));
  } else if (type == TokenType::kUserDefined) {
    bytes_.append(spelling == TokenSpelling::kSentencePiece ? blanks_from_symbols(text) : std::string(text));
  } else if (type == TokenType::kByte) {
    const auto byte = parse_byte_token(text);
    if (!byte) {
      return make_error(
          ErrorCode::kCorrupt,
          fmt::format("{}: token {} is of the type byte but not written <0xNN>", kTokensKey, token));
    }
    bytes_.push_back(static_cast<char>(*byte));
    byte_tokens_[*byte] = token;
  } else if (type != TokenType::kUnused) {
    bytes_.append(text);
  }
  ends_.push_back(static_cast<uint32_t>(bytes_.size()));
  types_.push_back(type);
  return {};
}

void TokenTable::make_findable(TokenType type) {
  for (Token token = 0; token < size(); ++token) {
    const std::string_view token_bytes = bytes(token);
    if (this->type(token) != type || token_bytes.empty()) continue;
    index_.insert(token_bytes, static_cast<uint32_t>(token), has_bytes(token_bytes));
    longest_bytes_ = std::max(longest_bytes_, token_bytes.size());
  }
}

void TokenTable::fill_byte_tokens() {
  for (size_t byte = 0; byte < byte_tokens_.size(); ++byte) {
    const char character = static_cast<char>(byte);
    const Token token = find(std::string_view(&character, 1));
    if (token != kNoToken) byte_tokens_[byte] = token;
  }
}

std::string_view TokenTable::bytes(Token token) const {
  const auto index = static_cast<size_t>(token);
  const uint32_t begin = index == 0 ? 0 : ends_[index - 1];
  return std::string_view(bytes_).substr(begin, ends_[index] - begin);
}

Token TokenTable::find(std::string_view bytes) const {
  if (bytes.size() > longest_bytes_) return kNoToken;
  const auto index = index_.find(bytes, has_bytes(bytes));
  return index ? static_cast<Token>(*index) : kNoToken;
}

uint64_t TokenTable::resident_bytes() const {
  return sizeof(*this) + bytes_.capacity() + ends_.capacity() * sizeof(uint32_t) + types_.capacity() +
         index_.resident_bytes();
}

}  // namespace flexinfer
