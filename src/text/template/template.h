// Chat templates: the Jinja2 programs in `tokenizer.chat_template` that turn a conversation into a prompt.
//
// A template is a stranger's program. It sees the variables it is given and nothing else, and within steps,
// memory, nesting and output that grow with the conversation it ends, with a text or an error.
#pragma once

#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace flexinfer::jinja {

// A run of the prompt. What is trusted is the template's own text, and may spell special tokens; the rest
// came from the conversation.
struct Segment {
  std::string text;
  bool is_trusted = false;
};

struct RenderInputs {
  std::string_view variables;  // a JSON object: "messages", "tools", and what else the template reads
  std::optional<std::string> bos_token;  // trusted; not defined where there is none
  std::optional<std::string> eos_token;
  std::tm now = {};  // local time for strftime_now
};

// Immutable; thread-safe; cheap to move.
class Template {
 public:
  // kUnsupported, naming line and construct, for a source that is not a template.
  static Result<Template> compile(std::string_view source);

  // As Hugging Face's apply_chat_template. Errors name line and construct: what the template refuses (its
  // raise_exception), what it does wrong, and what is not known here.
  Result<std::vector<Segment>> render(const RenderInputs& inputs) const;

  Template(Template&&) noexcept;
  Template& operator=(Template&&) noexcept;
  ~Template();

 private:
  struct Program;
  explicit Template(std::unique_ptr<const Program> program);
  std::unique_ptr<const Program> program_;
};

}  // namespace flexinfer::jinja
