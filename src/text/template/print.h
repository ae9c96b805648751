// Values as text: what Python's str(), repr() and json.dumps() give.
#pragma once

#include <optional>
#include <string>

#include "text/template/sandbox.h"
#include "text/template/value.h"

namespace flexinfer::jinja {

// Bytes that do not come from a text are the template's own where they are a number or a name (True, None),
// but not where they hold a list or dictionary together.
Status print(const Value& value, Sandbox& sandbox, TextBuilder& out);
// repr(value)
Status print_quoted(const Value& value, Sandbox& sandbox, TextBuilder& out);
// str(value); a text is itself.
Result<Text> to_text(const Value& value, Sandbox& sandbox);

// "3.0", "1e+16": the shortest digits that give the same number again.
std::string float_text(double number);

struct JsonStyle {
  std::optional<Text> indent;  // of one level; without it all is on one line
  Text item_separator;
  Text key_separator;
  bool sort_keys = false;
  bool ascii = false;
};
Status print_json(const Value& value, const JsonStyle& style, Sandbox& sandbox, TextBuilder& out);

}  // namespace flexinfer::jinja
