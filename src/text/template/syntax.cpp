#include "text/template/syntax.h"

#include <fmt/format.h>

#include "gguf/quote.h"

namespace flexinfer::jinja {

std::string describe(const Node& node) {
  switch (node.kind) {
    case NodeKind::kName:
      return fmt::format("the variable {}", quote(node.name));
    case NodeKind::kAttribute:
      return fmt::format("the attribute {}", quote(node.name));
    case NodeKind::kSubscript:
    case NodeKind::kSlice:
      return "[...]";
    case NodeKind::kCall:
      return node.first->name.empty() ? "a call" : fmt::format("the call of {}", quote(node.first->name));
    case NodeKind::kFilter:
      return fmt::format("the filter {}", quote(node.name));
    case NodeKind::kTest:
      return fmt::format("the test {}", quote(node.name));
    case NodeKind::kOutput:
    case NodeKind::kData:
      return "an output";
    case NodeKind::kFor:
      return "{% for %}";
    case NodeKind::kIf:
      return "{% if %}";
    case NodeKind::kSet:
    case NodeKind::kSetBlock:
      return "{% set %}";
    case NodeKind::kMacro:
      return fmt::format("the macro {}", quote(node.name));
    case NodeKind::kCallBlock:
      return "{% call %}";
    case NodeKind::kFilterBlock:
      return "{% filter %}";
    case NodeKind::kWith:
      return "{% with %}";
    default:
      return "an expression";
  }
}

}  // namespace flexinfer::jinja
