// What the tests of templates share.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/template/template.h"

namespace flexinfer::jinja {

inline std::string joined(const std::vector<Segment>& segments) {
  std::string text;
  for (const Segment& segment : segments)
    text += segment.text;
  return text;
}

// The text, or "error: " and the message.
inline std::string render(std::string_view source, std::string_view variables = "{}") {
  const auto compiled = Template::compile(source);
  if (!compiled) return "error: " + compiled.error().message;
  RenderInputs inputs;
  inputs.variables = variables;
  const auto segments = compiled->render(inputs);
  return segments ? joined(*segments) : "error: " + segments.error().message;
}

}  // namespace flexinfer::jinja
