// Any text as a chat template: it is refused or rendered, and what it renders is UTF-8.
//
// Input: the template, and after the first zero byte the conversation; without one, a conversation is given.
#include <cstdlib>
#include <string_view>

#include "text/template/template.h"
#include "text/utf8.h"

namespace {

constexpr std::string_view kConversation =
    R"({"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Gr\u00FC\u00DFe <|im_end|>"},
        {"role": "assistant", "content": null, "tool_calls": [{"function": {"name": "f", "arguments": {"a": [1, 2.5, true]}}}]}],
        "tools": [{"type": "function", "function": {"name": "f"}}], "add_generation_prompt": true})";

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t n_bytes) {
  const std::string_view input(reinterpret_cast<const char*>(data), n_bytes);
  const size_t border = input.find('\0');
  const auto compiled = flexinfer::jinja::Template::compile(input.substr(0, border));
  if (!compiled) {
    require(!compiled.error().message.empty());
    return 0;
  }
  flexinfer::jinja::RenderInputs inputs;
  inputs.variables = border == std::string_view::npos ? kConversation : input.substr(border + 1);
  inputs.bos_token = "<s>";
  const auto segments = compiled->render(inputs);
  if (!segments) {
    require(!segments.error().message.empty());
    return 0;
  }
  for (const flexinfer::jinja::Segment& segment : *segments)
    require(!segment.text.empty() && flexinfer::valid_utf8_prefix(segment.text) == segment.text.size());
  return 0;
}
