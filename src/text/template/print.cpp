#include "text/template/print.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "text/template/characters.h"

namespace flexinfer::jinja {
namespace {

std::string escape(uint32_t code_point) {
  if (code_point == '\n') return "\\n";
  if (code_point == '\r') return "\\r";
  if (code_point == '\t') return "\\t";
  if (code_point < 0x100) return fmt::format("\\x{:02x}", code_point);
  return code_point < 0x10000 ? fmt::format("\\u{:04x}", code_point) : fmt::format("\\U{:08x}", code_point);
}

void quote_text(const Text& text, TextBuilder& out) {
  const bool has_single = text.bytes().find('\'') != std::string_view::npos;
  const char quote = has_single && text.bytes().find('"') == std::string_view::npos ? '"' : '\'';
  out.append(quote, false);
  for (size_t at = 0; at < text.size();) {
    const Character character = first_character(text.bytes().substr(at));
    if (character.code_point == static_cast<uint8_t>(quote) || character.code_point == '\\') {
      out.append('\\', text.is_trusted(at));
    }
    if (is_printable(character.code_point)) {
      out.append(text.part(at, character.n_bytes));
    } else {
      out.append(escape(character.code_point), text.is_trusted(at));
    }
    at += character.n_bytes;
  }
  out.append(quote, false);
}

Status print_items(const List& list, std::string_view open, std::string_view close, Sandbox& sandbox,
                   TextBuilder& out) {
  out.append(open, false);
  for (size_t i = 0; i < list.items.size(); ++i) {
    if (i > 0) out.append(", ", false);
    FLEX_CHECK(print_quoted(list.items[i], sandbox, out));
  }
  if (list.kind == ListKind::kTuple && list.items.size() == 1) out.append(',', false);
  out.append(close, false);
  return {};
}

Status print_list(const List& list, Sandbox& sandbox, TextBuilder& out) {
  switch (list.kind) {
    case ListKind::kList:
      return print_items(list, "[", "]", sandbox, out);
    case ListKind::kTuple:
      return print_items(list, "(", ")", sandbox, out);
    case ListKind::kView:
      return print_items(list, "dict_view([", "])", sandbox, out);
    case ListKind::kIterator:
      break;
  }
  out.append("<generator object>", false);
  return {};
}

Status print_dict(const Dict& dict, Sandbox& sandbox, TextBuilder& out) {
  out.append('{', false);
  bool is_first = true;
  for (const DictEntry& entry : dict.entries) {
    if (!is_first) out.append(", ", false);
    is_first = false;
    FLEX_CHECK(print_quoted(entry.key, sandbox, out));
    out.append(": ", false);
    FLEX_CHECK(print_quoted(entry.value, sandbox, out));
  }
  out.append('}', false);
  return {};
}

void print_namespace(std::string_view what, TextBuilder& out) {
  out.append(fmt::format("<{} object>", what), false);
}

}  // namespace

std::string float_text(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number < 0 ? "-inf" : "inf";
  char buffer[32];
  const auto written =
      std::to_chars(std::begin(buffer), std::end(buffer), number, std::chars_format::scientific);
  const std::string_view text(buffer, static_cast<size_t>(written.ptr - buffer));
  const size_t mark = text.find('e');
  const int exponent = std::atoi(std::string(text.substr(mark + 1)).c_str());
  if (exponent < -4 || exponent >= 16) return std::string(text);
  const auto fixed = std::to_chars(std::begin(buffer), std::end(buffer), number, std::chars_format::fixed);
  std::string plain(buffer, static_cast<size_t>(fixed.ptr - buffer));
  if (plain.find('.') == std::string::npos) plain += ".0";
  return plain;
}

Status print(const Value& value, Sandbox& sandbox, TextBuilder& out) {
  const Sandbox::Level level(sandbox);
  FLEX_CHECK(level.check());
  FLEX_CHECK(sandbox.charge(1));
  if (const Text* text = as_text(value)) {
    FLEX_CHECK(sandbox.charge_bytes(text->size()));
    out.append(*text);
  } else if (const auto* boolean = std::get_if<bool>(&value)) {
    out.append(*boolean ? "True" : "False", true);
  } else if (const auto* integer = std::get_if<int64_t>(&value)) {
    out.append(fmt::format("{}", *integer), true);
  } else if (const auto* number = std::get_if<double>(&value)) {
    out.append(float_text(*number), true);
  } else if (is_none(value)) {
    out.append("None", true);
  } else if (const List* list = as_list(value)) {
    return print_list(*list, sandbox, out);
  } else if (const Dict* dict = as_dict(value)) {
    return print_dict(*dict, sandbox, out);
  } else if (!is_undefined(value)) {
    print_namespace(type_name(value), out);
  }
  return {};
}

Status print_quoted(const Value& value, Sandbox& sandbox, TextBuilder& out) {
  if (const Text* text = as_text(value)) {
    FLEX_CHECK(sandbox.charge(1 + text->size() / 4));
    quote_text(*text, out);
    return {};
  }
  if (is_undefined(value)) {
    out.append("Undefined", false);
    return {};
  }
  return print(value, sandbox, out);
}

Result<Text> to_text(const Value& value, Sandbox& sandbox) {
  if (const Text* text = as_text(value)) return *text;
  TextBuilder out(sandbox);
  FLEX_CHECK(print(value, sandbox, out));
  return out.finish(sandbox);
}

}  // namespace flexinfer::jinja
