// Cuts a text into the words that byte-level BPE encodes one by one.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/function_ref.h"
#include "base/result.h"
#include "text/pre_tokenizer_rules.h"

struct pcre2_real_code_8;
struct pcre2_real_match_data_8;

namespace flexinfer {

// Immutable; thread-safe.
class PreTokenizer {
 public:
  // By the name in `tokenizer.ggml.pre`; kUnsupported where it is not known.
  static Result<PreTokenizer> create(std::string_view name);

  const PreTokenizerRules& rules() const { return *rules_; }

  // Visits the pieces from left to right. Together they are the text, in composed form (NFC) where the rules
  // ask for it. A byte that is not UTF-8 is a piece of its own. A piece lives until its visit ends.
  using Visit = FunctionRef<void(std::string_view piece)>;
  Status split(std::string_view text, Visit visit) const;

  uint64_t resident_bytes() const;

 private:
  struct FreeCode {
    void operator()(pcre2_real_code_8* code) const;
  };
  struct FreeMatch {
    void operator()(pcre2_real_match_data_8* match) const;
  };
  using Code = std::unique_ptr<pcre2_real_code_8, FreeCode>;
  using Match = std::unique_ptr<pcre2_real_match_data_8, FreeMatch>;

  explicit PreTokenizer(const PreTokenizerRules& rules) : rules_(&rules) {}
  static Result<Code> compile(std::string_view pattern);
  Status split_characters(std::string_view text, pcre2_real_match_data_8* match, Visit visit) const;
  Status split_from(size_t pattern, std::string_view text, pcre2_real_match_data_8* match, Visit visit) const;

  const PreTokenizerRules* rules_;
  std::vector<Code> patterns_;
};

}  // namespace flexinfer
