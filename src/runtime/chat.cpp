#include "flexinfer/chat.h"

#include <fmt/format.h>

#include <ctime>
#include <optional>
#include <utility>

#include "gguf/gguf_file.h"
#include "gguf/quote.h"
#include "text/template/template.h"

namespace flexinfer {

struct ChatTemplate::Impl {
  static Result<std::shared_ptr<const Impl>> create(const Metadata& metadata, std::string source);

  std::string source;
  jinja::Template compiled;
  std::optional<std::string> bos_token;
  std::optional<std::string> eos_token;
};

namespace {

constexpr std::string_view kTemplateKey = "tokenizer.chat_template";

// The text of the token whose id stands under tokenizer.ggml.ROLE_token_id; nullopt where there is none.
Result<std::optional<std::string>> token_text(const Metadata& metadata, std::string_view role) {
  FLEX_TRY(const auto id, metadata.unsigned_number(fmt::format("tokenizer.ggml.{}_token_id", role)));
  FLEX_TRY(const StringList* tokens, metadata.texts("tokenizer.ggml.tokens"));
  if (!id || tokens == nullptr || *id >= tokens->size()) return std::nullopt;
  return std::string((*tokens)[*id]);
}

Result<std::string> template_source(const Metadata& metadata, const std::string& model_path,
                                    std::string_view name) {
  const std::string key = name.empty() ? std::string(kTemplateKey) : fmt::format("{}.{}", kTemplateKey, name);
  FLEX_TRY(const std::string* source, metadata.text(key));
  if (source != nullptr) return *source;
  return make_error(ErrorCode::kUnsupported,
                    fmt::format("{} has no chat template ({})", quote(model_path), quote(key)));
}

std::tm local_time() {
  const std::time_t now = std::time(nullptr);
  std::tm local = {};
  localtime_r(&now, &local);
  return local;
}

}  // namespace

Result<std::shared_ptr<const ChatTemplate::Impl>> ChatTemplate::Impl::create(const Metadata& metadata,
                                                                             std::string source) {
  FLEX_TRY(jinja::Template compiled, jinja::Template::compile(source));
  FLEX_TRY(auto bos_token, token_text(metadata, "bos"));
  FLEX_TRY(auto eos_token, token_text(metadata, "eos"));
  return std::make_shared<const Impl>(
      Impl{std::move(source), std::move(compiled), std::move(bos_token), std::move(eos_token)});
}

std::string ChatPrompt::text() const {
  std::string text;
  for (const PromptSegment& segment : segments)
    text += segment.text;
  return text;
}

ChatTemplate::ChatTemplate(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

Result<ChatTemplate> ChatTemplate::open(const std::string& model_path, std::string_view name) {
  FLEX_TRY(const GgufFile file, GgufFile::open(model_path));
  FLEX_TRY(std::string source, template_source(file.metadata(), model_path, name));
  FLEX_TRY(auto impl, Impl::create(file.metadata(), std::move(source)));
  return ChatTemplate(std::move(impl));
}

Result<ChatTemplate> ChatTemplate::from_source(const std::string& model_path, std::string source) {
  FLEX_TRY(const GgufFile file, GgufFile::open(model_path));
  FLEX_TRY(auto impl, Impl::create(file.metadata(), std::move(source)));
  return ChatTemplate(std::move(impl));
}

Result<ChatPrompt> ChatTemplate::render(std::string_view conversation_json) const {
  FLEX_TRY(std::vector<jinja::Segment> segments, impl_->compiled.render({.variables = conversation_json,
                                                                         .bos_token = impl_->bos_token,
                                                                         .eos_token = impl_->eos_token,
                                                                         .now = local_time()}));
  ChatPrompt prompt;
  for (jinja::Segment& segment : segments)
    prompt.segments.push_back({std::move(segment.text), segment.is_trusted});
  return prompt;
}

const std::string& ChatTemplate::source() const {
  return impl_->source;
}

}  // namespace flexinfer
