// Text to tokens and back, as the model's own vocabulary says.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "gguf/metadata.h"

namespace flexinfer {

using Token = int32_t;
inline constexpr Token kNoToken = -1;

struct EncodeOptions {
  bool parse_special = false;  // whether text that spells a control token becomes that token
  bool add_special = true;     // BOS and EOS, where the model asks for them
};

// A run of a text's bytes. Only what is trusted may spell control tokens.
struct TextRun {
  size_t n_bytes = 0;
  bool is_trusted = false;
};

// Immutable after creation; thread-safe. Keeps nothing of the metadata it was made from.
class Tokenizer {
 public:
  // From the `tokenizer.ggml.*` keys. kUnsupported, by name, for a tokenizer.ggml.model or .pre that is not
  // known; kCorrupt for a vocabulary that contradicts itself.
  static Result<std::unique_ptr<Tokenizer>> create(const Metadata& metadata);
  virtual ~Tokenizer() = default;

  // Takes any bytes: those that are not UTF-8 become the tokens of single bytes. What a vocabulary has no
  // token for becomes its unknown token, and is left out where it has none. Works in memory of up to 100
  // bytes for each byte of the longest stretch that the tokenizer cannot cut (mostly a word). kUsage for more
  // than 1 GiB.
  virtual Result<std::vector<Token>> encode(std::string_view text, const EncodeOptions& options) const = 0;

  // The same for a text whose runs, all of it together, are trusted or not. A control token is found only
  // where all its bytes lie in one trusted run (or several next to each other); elsewhere a border between
  // runs changes nothing. Without BOS and EOS.
  virtual Result<std::vector<Token>> encode_runs(std::string_view text,
                                                 std::span<const TextRun> runs) const = 0;

  // The bytes a token stands for in running text (may be part of a UTF-8 character; empty for control,
  // unknown and unused tokens, and for ids outside the vocabulary).
  virtual std::string decode(Token token) const = 0;

  virtual int32_t vocab_size() const = 0;
  virtual Token bos() const = 0;  // kNoToken where the model has none
  virtual Token eos() const = 0;
  virtual bool add_bos() const = 0;                          // whether the model wants BOS before a text
  virtual bool is_end_of_generation(Token token) const = 0;  // eos, eot, eom and their like
  virtual uint64_t resident_bytes() const = 0;               // memory held, for the budget
  // Whether the first piece of a decoded text starts with a blank the encoder had put there (SentencePiece).
  virtual bool strips_leading_space() const = 0;
};

}  // namespace flexinfer
