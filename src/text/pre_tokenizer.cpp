#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/pre_tokenizer.h"

#include <fmt/format.h>
#include <pcre2.h>

#include <string>

#include "gguf/quote.h"
#include "text/composed_form.h"
#include "text/utf8.h"

namespace flexinfer {
namespace {

// \s as the tokenizers mean it: PCRE2's own has U+180E too, which Unicode no longer counts as white space.
std::string with_unicode_spaces(std::string_view pattern) {
  std::string out;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '\\' || i + 1 == pattern.size()) {
      out.push_back(pattern[i]);
      continue;
    }
    const char escaped = pattern[++i];
    if (escaped == 's') {
      out.append("\\p{White_Space}");
    } else if (escaped == 'S') {
      out.append("\\P{White_Space}");
    } else {
      out.append({'\\', escaped});
    }
  }
  return out;
}

std::string pcre2_message(int code) {
  std::string text(256, '\0');
  const int length = pcre2_get_error_message(code, reinterpret_cast<PCRE2_UCHAR*>(text.data()), text.size());
  text.resize(length < 0 ? 0 : static_cast<size_t>(length));
  return text;
}

}  // namespace

void PreTokenizer::FreeCode::operator()(pcre2_code* code) const {
  pcre2_code_free(code);
}
void PreTokenizer::FreeMatch::operator()(pcre2_match_data* match) const {
  pcre2_match_data_free(match);
}

Result<PreTokenizer> PreTokenizer::create(std::string_view name) {
  const PreTokenizerRules* rules = find_pre_tokenizer_rules(name);
  if (rules == nullptr) {
    return make_error(
        ErrorCode::kUnsupported,
        fmt::format("tokenizer.ggml.pre is {}, which this version does not know: the text would be "
                    "cut into the wrong words",
                    quote(name)));
  }
  PreTokenizer pre_tokenizer(*rules);
  for (const std::string_view pattern : rules->patterns) {
    if (pattern.empty()) break;
    FLEX_TRY(Code code, compile(pattern));
    pre_tokenizer.patterns_.push_back(std::move(code));
  }
  return pre_tokenizer;
}

Result<PreTokenizer::Code> PreTokenizer::compile(std::string_view pattern) {
  const std::string source = with_unicode_spaces(pattern);
  int error = 0;
  PCRE2_SIZE offset = 0;
  Code code(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(source.data()), source.size(), PCRE2_UTF | PCRE2_UCP,
                          &error, &offset, nullptr));
  if (code == nullptr) {
    return make_error(ErrorCode::kUnsupported, fmt::format("PCRE2 refuses the pattern {} at {}: {}", source,
                                                           offset, pcre2_message(error)));
  }
  // Where the system grants no executable memory the interpreter serves: slower, the same matches.
  pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE);
  return code;
}

Status PreTokenizer::split(std::string_view text, Visit visit) const {
  const Match match(pcre2_match_data_create(1, nullptr));
  if (match == nullptr) return make_error(ErrorCode::kIo, "no memory for the state of a regular expression");
  while (!text.empty()) {
    const size_t n_valid = valid_utf8_prefix(text);
    if (n_valid == 0) {
      visit(text.substr(0, 1));
      text.remove_prefix(1);
      continue;
    }
    FLEX_CHECK(split_characters(text.substr(0, n_valid), match.get(), visit));
    text.remove_prefix(n_valid);
  }
  return {};
}

Status PreTokenizer::split_characters(std::string_view text, pcre2_match_data* match, Visit visit) const {
  if (!rules_->normalizes || !may_need_composition(text)) return split_from(0, text, match, visit);
  FLEX_TRY(const std::string normalized, composed_form(text));
  return split_from(0, normalized, match, visit);
}

Status PreTokenizer::split_from(size_t pattern, std::string_view text, pcre2_match_data* match,
                                Visit visit) const {
  if (pattern == patterns_.size()) {
    visit(text);
    return {};
  }
  // An empty match would not advance.
  constexpr uint32_t kOptions = PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY;
  size_t done = 0;
  while (done < text.size()) {
    const int found = pcre2_match(patterns_[pattern].get(), reinterpret_cast<PCRE2_SPTR>(text.data()),
                                  text.size(), done, kOptions, match, nullptr);
    if (found < 0 && found != PCRE2_ERROR_NOMATCH) {
      return make_error(
          ErrorCode::kUnsupported,
          fmt::format("a text of {} bytes cannot be cut into words: {}", text.size(), pcre2_message(found)));
    }
    const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(match);
    const size_t begin = found < 0 ? text.size() : bounds[0];
    const size_t end = found < 0 ? text.size() : bounds[1];
    if (begin > done) FLEX_CHECK(split_from(pattern + 1, text.substr(done, begin - done), match, visit));
    if (end > begin) FLEX_CHECK(split_from(pattern + 1, text.substr(begin, end - begin), match, visit));
    done = end;
  }
  return {};
}

uint64_t PreTokenizer::resident_bytes() const {
  uint64_t bytes = sizeof(*this) + patterns_.capacity() * sizeof(Code);
  for (const Code& code : patterns_) {
    size_t code_bytes = 0;
    size_t jit_bytes = 0;
    pcre2_pattern_info(code.get(), PCRE2_INFO_SIZE, &code_bytes);
    pcre2_pattern_info(code.get(), PCRE2_INFO_JITSIZE, &jit_bytes);
    bytes += code_bytes + jit_bytes;
  }
  return bytes;
}

}  // namespace flexinfer
