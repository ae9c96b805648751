#include "text/spm_tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "text/utf8.h"

namespace flexinfer {
namespace {

constexpr std::string_view kScoresKey = "tokenizer.ggml.scores";

// Where the first blank after something else stands, or the end.
size_t next_blank_border(std::string_view text) {
  const size_t word = text.find_first_not_of(' ');
  return std::min(text.find(' ', std::min(word, text.size())), text.size());
}

bool no_token_crosses_blanks(const TokenTable& vocabulary) {
  for (Token token = 0; token < vocabulary.size(); ++token) {
    const TokenType type = vocabulary.type(token);
    if (type != TokenType::kNormal && type != TokenType::kUserDefined) continue;
    if (next_blank_border(vocabulary.bytes(token)) < vocabulary.bytes(token).size()) return false;
  }
  return true;
}

Result<std::vector<uint32_t>> read_ranks(const Metadata& metadata, size_t n_tokens) {
  FLEX_TRY(const auto scores, metadata.numbers(kScoresKey));
  if (!scores || scores->size() != n_tokens) {
    return make_error(ErrorCode::kCorrupt, fmt::format("{} has {} entries for {} tokens", kScoresKey,
                                                       scores ? scores->size() : 0, n_tokens));
  }
  const auto not_a_number = std::ranges::find_if(*scores, [](double score) { return std::isnan(score); });
  if (not_a_number != scores->end()) {
    return make_error(ErrorCode::kCorrupt, fmt::format("{}: the score of token {} is not a number",
                                                       kScoresKey, not_a_number - scores->begin()));
  }
  std::vector<double> levels = *scores;
  std::ranges::sort(levels, std::greater<>());
  levels.erase(std::unique(levels.begin(), levels.end()), levels.end());
  std::vector<uint32_t> ranks;
  ranks.reserve(n_tokens);
  for (const double score : *scores) {
    const auto level = std::ranges::lower_bound(levels, score, std::greater<>());
    ranks.push_back(static_cast<uint32_t>(level - levels.begin()));
  }
  return ranks;
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> SpmTokenizer::create(const Metadata& metadata) {
  FLEX_TRY(TokenTable vocabulary, TokenTable::read(metadata, TokenSpelling::kSentencePiece));
  FLEX_TRY(std::vector<uint32_t> ranks, read_ranks(metadata, static_cast<size_t>(vocabulary.size())));
  FLEX_TRY(TokenRoles roles, read_token_roles(metadata, vocabulary, true));
  FLEX_TRY(const auto adds_space_prefix, metadata.boolean("tokenizer.ggml.add_space_prefix"));
  return std::unique_ptr<Tokenizer>(new SpmTokenizer(std::move(vocabulary), std::move(roles),
                                                     std::move(ranks), adds_space_prefix.value_or(true)));
}

SpmTokenizer::SpmTokenizer(TokenTable vocabulary, TokenRoles roles, std::vector<uint32_t> ranks,
                           bool adds_space_prefix)
    : VocabularyTokenizer(std::move(vocabulary), std::move(roles)),
      ranks_(std::move(ranks)),
      adds_space_prefix_(adds_space_prefix),
      cuts_before_blanks_(no_token_crosses_blanks(this->vocabulary())) {}

Status SpmTokenizer::encode_fragment(std::string_view text, bool after_special,
                                     std::vector<Token>& tokens) const {
  // The vocabulary does not tell U+2581 from the blank it stands for, so neither must the text.
  std::string blanked = adds_space_prefix_ && after_special ? " " : "";
  blanked.append(blanks_from_symbols(text));
  Merger merger;
  std::string_view rest = blanked;
  while (!rest.empty()) {
    const size_t n_bytes = cuts_before_blanks_ ? next_blank_border(rest) : rest.size();
    encode_stretch(rest.substr(0, n_bytes), merger, tokens);
    rest.remove_prefix(n_bytes);
  }
  return {};
}

void SpmTokenizer::encode_stretch(std::string_view text, Merger& merger, std::vector<Token>& tokens) const {
  merger.clear();
  for (std::string_view rest = text; !rest.empty();) {
    const Utf8Unit unit = first_utf8_unit(rest);
    const size_t n_bytes = unit.state == Utf8State::kCharacter ? unit.n_bytes : 1;
    merger.add(static_cast<uint32_t>(n_bytes), kNoToken);
    rest.remove_prefix(n_bytes);
  }
  merger.run([&](const Piece& left, const Piece& right) -> std::optional<Merge> {
    const Token token = vocabulary().find(text.substr(left.begin, left.n_bytes + right.n_bytes));
    if (token == kNoToken) return std::nullopt;
    return Merge{ranks_[static_cast<size_t>(token)], token};
  });
  merger.for_each([&](const Piece& piece) {
    append_piece(text.substr(piece.begin, piece.n_bytes), piece.token, tokens);
  });
}

// `token` is that of the bytes where they were joined from smaller ones; a single character is looked up
// here.
void SpmTokenizer::append_piece(std::string_view bytes, Token token, std::vector<Token>& tokens) const {
  if (token == kNoToken) token = vocabulary().find(bytes);
  if (token != kNoToken) return tokens.push_back(token);
  for (const char byte : bytes) {
    const Token byte_token = vocabulary().byte_token(static_cast<uint8_t>(byte));
    if (byte_token == kNoToken) {
      append_unknown(tokens);
    } else {
      tokens.push_back(byte_token);
    }
  }
}

uint64_t SpmTokenizer::resident_bytes() const {
  return VocabularyTokenizer::resident_bytes() + ranks_.capacity() * sizeof(uint32_t);
}

}  // namespace flexinfer
