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

// Walks along the runs of a text.
class TrustedRuns {
 public:
  explicit TrustedRuns(std::span<const TextRun> runs) : runs_(runs) {}

  // How many trusted bytes there are from a place on; the places come from left to right.
  size_t bytes_from(size_t at) {
    while (end_ <= at && next_ < runs_.size())
      take_stretch();
    return is_trusted_ && at < end_ ? end_ - at : 0;
  }

 private:
  // The next run, with those after it that are like it.
  void take_stretch() {
    is_trusted_ = runs_[next_].is_trusted;
    while (next_ < runs_.size() && runs_[next_].is_trusted == is_trusted_)
      end_ += runs_[next_++].n_bytes;
  }

  std::span<const TextRun> runs_;
  size_t next_ = 0;
  size_t end_ = 0;  // of the stretch that was taken last
  bool is_trusted_ = false;
};

}  // namespace

VocabularyTokenizer::VocabularyTokenizer(TokenTable vocabulary, TokenRoles roles)
    : vocabulary_(std::move(vocabulary)), special_tokens_(vocabulary_), roles_(std::move(roles)) {}

Result<std::vector<Token>> VocabularyTokenizer::encode(std::string_view text,
                                                       const EncodeOptions& options) const {
  const TextRun whole{text.size(), options.parse_special};
  std::vector<Token> tokens;
  if (options.add_special && roles_.add_bos) tokens.push_back(roles_.bos);
  FLEX_CHECK(append_tokens(text, {&whole, 1}, tokens));
  if (options.add_special && roles_.add_eos) tokens.push_back(roles_.eos);
  return tokens;
}

Result<std::vector<Token>> VocabularyTokenizer::encode_runs(std::string_view text,
                                                            std::span<const TextRun> runs) const {
  std::vector<Token> tokens;
  FLEX_CHECK(append_tokens(text, runs, tokens));
  return tokens;
}

Status VocabularyTokenizer::append_tokens(std::string_view text, std::span<const TextRun> runs,
                                          std::vector<Token>& tokens) const {
  if (text.size() > kLongestText) {
    return make_error(ErrorCode::kUsage, fmt::format("a text of {} is too long to encode at once: at most {}",
                                                     format_bytes(text.size()), format_bytes(kLongestText)));
  }
  TrustedRuns trusted(runs);
  bool after_special = true;
  for (size_t begin = 0; begin < text.size();) {
    const SpecialTokens::Match match =
        special_tokens_.first_match(text, begin, [&](size_t at) { return trusted.bytes_from(at); });
    if (match.begin > begin) {
      FLEX_CHECK(encode_fragment(text.substr(begin, match.begin - begin), after_special, tokens));
    }
    after_special = match.token != kNoToken;
    if (after_special) tokens.push_back(match.token);
    begin = match.begin + match.n_bytes;
  }
  return {};
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
