#include "text/bpe_tokenizer.h"

#include <optional>
#include <utility>

namespace flexinfer {

Result<std::unique_ptr<Tokenizer>> BpeTokenizer::create(const Metadata& metadata) {
  FLEX_TRY(const std::string* pre, metadata.text("tokenizer.ggml.pre"));
  FLEX_TRY(PreTokenizer pre_tokenizer, PreTokenizer::create(pre == nullptr ? "default" : *pre));
  FLEX_TRY(TokenTable vocabulary, TokenTable::read(metadata, TokenSpelling::kByteLevel));
  FLEX_TRY(TokenRoles roles, read_token_roles(metadata, vocabulary, pre_tokenizer.rules().adds_bos));
  FLEX_TRY(MergeTable merges, MergeTable::read(metadata, vocabulary));
  return std::unique_ptr<Tokenizer>(
      new BpeTokenizer(std::move(vocabulary), std::move(roles), std::move(merges), std::move(pre_tokenizer)));
}

BpeTokenizer::BpeTokenizer(TokenTable vocabulary, TokenRoles roles, MergeTable merges,
                           PreTokenizer pre_tokenizer)
    : VocabularyTokenizer(std::move(vocabulary), std::move(roles)),
      merges_(std::move(merges)),
      pre_tokenizer_(std::move(pre_tokenizer)) {}

Status BpeTokenizer::encode_fragment(std::string_view text, bool /*after_special*/,
                                     std::vector<Token>& tokens) const {
  Merger merger;
  return pre_tokenizer_.split(text, [&](std::string_view word) { encode_word(word, merger, tokens); });
}

void BpeTokenizer::encode_word(std::string_view word, Merger& merger, std::vector<Token>& tokens) const {
  if (pre_tokenizer_.rules().ignores_merges) {
    const Token whole = vocabulary().find(word);
    if (whole != kNoToken) return tokens.push_back(whole);
  }
  merger.clear();
  for (const char byte : word)
    merger.add(1, vocabulary().byte_token(static_cast<uint8_t>(byte)));
  merger.run([&](const Piece& left, const Piece& right) -> std::optional<Merge> {
    const auto rank = merges_.rank(left.token, right.token);
    if (!rank) return std::nullopt;
    return Merge{*rank, vocabulary().find(word.substr(left.begin, left.n_bytes + right.n_bytes))};
  });
  merger.for_each([&](const Piece& piece) {
    if (piece.token == kNoToken) return append_unknown(tokens);
    tokens.push_back(piece.token);
  });
}

uint64_t BpeTokenizer::resident_bytes() const {
  return VocabularyTokenizer::resident_bytes() + merges_.resident_bytes() + pre_tokenizer_.resident_bytes();
}

}  // namespace flexinfer
