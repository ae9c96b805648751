#include "text/tokenizer.h"

#include <fmt/format.h>

#include "gguf/quote.h"
#include "text/bpe_tokenizer.h"
#include "text/spm_tokenizer.h"

namespace flexinfer {

Result<std::unique_ptr<Tokenizer>> Tokenizer::create(const Metadata& metadata) {
  FLEX_TRY(const std::string* model, metadata.text("tokenizer.ggml.model"));
  if (model == nullptr) {
    return make_error(ErrorCode::kCorrupt, "tokenizer.ggml.model is missing: the file has no vocabulary");
  }
  if (*model == "llama") return SpmTokenizer::create(metadata);
  if (*model == "gpt2") return BpeTokenizer::create(metadata);
  return make_error(
      ErrorCode::kUnsupported,
      fmt::format("tokenizer.ggml.model is {}; this version knows 'llama' and 'gpt2'", quote(*model)));
}

}  // namespace flexinfer
