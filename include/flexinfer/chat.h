// A conversation to a prompt, with the chat template that the model brings along.
//
//   auto chat = ChatTemplate::open("model.gguf");
//   auto prompt = chat->render(R"({"messages": [{"role": "user", "content": "Hello"}]})");
//   auto tokens = vocabulary.encode(*prompt);
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "flexinfer/error.h"

namespace flexinfer {

// A run of a prompt's bytes. What is trusted is the template's own text and may spell special tokens; the
// rest came from the conversation and never becomes one, whatever it spells.
struct PromptSegment {
  std::string text;
  bool is_trusted = false;
};

struct ChatPrompt {
  std::vector<PromptSegment> segments;
  std::string text() const;  // all of them, one after the other
};

// The chat template of a model: `tokenizer.chat_template`, or `tokenizer.chat_template.NAME`. It is a program
// that came with a file: it sees the conversation and nothing else, and its steps, memory and output are
// limited. Immutable; thread-safe; cheap to move.
class ChatTemplate {
 public:
  // Works on vocabulary-only files. kUnsupported where the file has no such template, or one that uses what
  // is not known here; the error names line and construct.
  static Result<ChatTemplate> open(const std::string& model_path, std::string_view name = {});
  // Another template for that model, whose special tokens it may name.
  static Result<ChatTemplate> from_source(const std::string& model_path, std::string source);

  // The members of the JSON object are the template's variables: "messages", a list of objects with "role"
  // and "content" (and whatever else the template reads), "tools", "documents", "add_generation_prompt"
  // (false where it is left out), "enable_thinking" and so on. kUsage where it is not JSON; kUnsupported,
  // with the template's own words, where the template refuses the conversation.
  Result<ChatPrompt> render(std::string_view conversation_json) const;

  const std::string& source() const;

  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;
  ~ChatTemplate();
  struct Impl;  // the library's own

 private:
  explicit ChatTemplate(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

}  // namespace flexinfer
