#include <utility>

#include "gguf/gguf_file.h"
#include "runtime/vocabulary_impl.h"

namespace flexinfer {

Vocabulary::Vocabulary(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Vocabulary::Vocabulary(Vocabulary&&) noexcept = default;
Vocabulary& Vocabulary::operator=(Vocabulary&&) noexcept = default;
Vocabulary::~Vocabulary() = default;

Result<Vocabulary> Vocabulary::open(const std::string& model_path) {
  FLEX_TRY(const GgufFile file, GgufFile::open(model_path));
  auto impl = std::make_shared<Impl>();
  FLEX_TRY(impl->tokenizer, Tokenizer::create(file.metadata()));
  return Vocabulary(std::move(impl));
}

Result<std::vector<Token>> Vocabulary::encode(std::string_view text, bool parse_special,
                                              bool add_special) const {
  return impl_->tokenizer->encode(text, {parse_special, add_special});
}

Result<std::vector<Token>> Vocabulary::encode(const ChatPrompt& prompt) const {
  std::vector<TextRun> runs;
  for (const PromptSegment& segment : prompt.segments)
    runs.push_back({segment.text.size(), segment.is_trusted});
  return impl_->tokenizer->encode_runs(prompt.text(), runs);
}

std::string Vocabulary::decode(Token token) const {
  return impl_->tokenizer->decode(token);
}
int32_t Vocabulary::size() const {
  return impl_->tokenizer->vocab_size();
}
Token Vocabulary::bos() const {
  return impl_->tokenizer->bos();
}
bool Vocabulary::adds_bos() const {
  return impl_->tokenizer->add_bos();
}
bool Vocabulary::is_end_of_generation(Token token) const {
  return impl_->tokenizer->is_end_of_generation(token);
}

}  // namespace flexinfer
