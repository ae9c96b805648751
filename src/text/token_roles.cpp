#include "text/token_roles.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <string_view>

namespace flexinfer {
namespace {

constexpr std::string_view kEndOfMessage = "<|end|>";
// In a vocabulary that has this token (OpenAI's Harmony format), the end of a message is not the end of a
// turn.
constexpr std::string_view kEndOfHarmonyTurn = "<|return|>";
constexpr std::array<std::string_view, 16> kEndOfGenerationNames = {
    "</s>",
    "<eos>",
    "[EOS]",
    "<EOT>",
    "[EOT]",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|im_end|>",
    kEndOfMessage,
    kEndOfHarmonyTurn,
    "<|call|>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<end_of_turn>",
    "<end_of_utterance>",
    "<\xEF\xBD\x9C"
    "end\xE2\x96\x81of\xE2\x96\x81sentence\xEF\xBD\x9C>",  // DeepSeek: fullwidth bars and U+2581
};

bool is_mark(TokenType type) {
  return type == TokenType::kControl || type == TokenType::kUserDefined;
}

// The mark with this name, or kNoToken. A normal token may look the same: a piece of HTML, say.
Token find_mark(const TokenTable& vocabulary, std::string_view name) {
  for (Token token = 0; token < vocabulary.size(); ++token) {
    if (is_mark(vocabulary.type(token)) && vocabulary.bytes(token) == name) return token;
  }
  return kNoToken;
}

Token find_unknown(const TokenTable& vocabulary) {
  for (Token token = 0; token < vocabulary.size(); ++token) {
    if (vocabulary.type(token) == TokenType::kUnknown) return token;
  }
  return kNoToken;
}

// kNoToken where the key is absent or says -1, which some files write for "none".
Result<Token> read_id(const Metadata& metadata, const TokenTable& vocabulary, std::string_view role) {
  const std::string key = fmt::format("tokenizer.ggml.{}_token_id", role);
  const MetadataValue* value = metadata.find(key);
  if (value == nullptr) return kNoToken;
  if (const auto* number = std::get_if<int64_t>(value); number != nullptr && *number == -1) return kNoToken;
  FLEX_TRY(const auto id, metadata.unsigned_number(key));
  if (*id == std::numeric_limits<uint32_t>::max()) return kNoToken;
  if (*id >= static_cast<uint64_t>(vocabulary.size())) {
    return make_error(ErrorCode::kCorrupt,
                      fmt::format("{} is {}, but the vocabulary has {} tokens", key, *id, vocabulary.size()));
  }
  return static_cast<Token>(*id);
}

Result<bool> read_adds(const Metadata& metadata, std::string_view role, Token token, bool by_default) {
  const std::string key = fmt::format("tokenizer.ggml.add_{}_token", role);
  FLEX_TRY(const auto adds, metadata.boolean(key));
  if (!adds) return by_default && token != kNoToken;
  if (*adds && token == kNoToken) {
    return make_error(ErrorCode::kCorrupt,
                      fmt::format("{} is true, but no tokenizer.ggml.{}_token_id is given", key, role));
  }
  return *adds;
}

std::vector<Token> named_ends_of_generation(const TokenTable& vocabulary) {
  const bool is_harmony = find_mark(vocabulary, kEndOfHarmonyTurn) != kNoToken;
  std::vector<Token> ends;
  for (Token token = 0; token < vocabulary.size(); ++token) {
    if (!is_mark(vocabulary.type(token))) continue;
    const std::string_view name = vocabulary.bytes(token);
    if (is_harmony && name == kEndOfMessage) continue;
    if (std::ranges::find(kEndOfGenerationNames, name) != kEndOfGenerationNames.end()) ends.push_back(token);
  }
  return ends;
}

}  // namespace

Result<TokenRoles> read_token_roles(const Metadata& metadata, const TokenTable& vocabulary,
                                    bool adds_bos_by_default) {
  TokenRoles roles;
  FLEX_TRY(roles.bos, read_id(metadata, vocabulary, "bos"));
  FLEX_TRY(roles.eos, read_id(metadata, vocabulary, "eos"));
  FLEX_TRY(roles.unknown, read_id(metadata, vocabulary, "unknown"));
  FLEX_TRY(const Token end_of_turn, read_id(metadata, vocabulary, "eot"));
  FLEX_TRY(const Token end_of_message, read_id(metadata, vocabulary, "eom"));
  if (roles.bos == kNoToken) roles.bos = find_mark(vocabulary, "<s>");
  if (roles.eos == kNoToken) roles.eos = find_mark(vocabulary, "</s>");
  if (roles.unknown == kNoToken) roles.unknown = find_unknown(vocabulary);
  FLEX_TRY(roles.add_bos, read_adds(metadata, "bos", roles.bos, adds_bos_by_default));
  FLEX_TRY(roles.add_eos, read_adds(metadata, "eos", roles.eos, false));

  std::vector<Token>& ends = roles.end_of_generation;
  ends = named_ends_of_generation(vocabulary);
  for (const Token stated : {roles.eos, end_of_turn, end_of_message}) {
    if (stated != kNoToken) ends.push_back(stated);
  }
  std::ranges::sort(ends);
  ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
  ends.shrink_to_fit();
  return roles;
}

}  // namespace flexinfer
