#include <fmt/format.h>

#include <cmath>
#include <vector>

#include "text/template/characters.h"
#include "text/template/print.h"

namespace flexinfer::jinja {
namespace {

std::string utf16_escape(uint32_t code_point) {
  if (code_point < 0x10000) return fmt::format("\\u{:04x}", code_point);
  const uint32_t above = code_point - 0x10000;
  return fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + (above >> 10), 0xDC00 + (above & 0x3FF));
}

// Empty where the character stands for itself.
std::string json_escape(uint32_t code_point, bool ascii) {
  switch (code_point) {
    case '"':
      return "\\\"";
    case '\\':
      return "\\\\";
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    case '\f':
      return "\\f";
    case '\b':
      return "\\b";
    default:
      return code_point < 0x20 || (ascii && code_point >= 0x7F + 1) ? utf16_escape(code_point) : "";
  }
}

std::string json_number(double number) {
  if (std::isnan(number)) return "NaN";
  if (std::isinf(number)) return number < 0 ? "-Infinity" : "Infinity";
  return float_text(number);
}

class JsonPrinter {
 public:
  JsonPrinter(const JsonStyle& style, Sandbox& sandbox, TextBuilder& out)
      : style_(style), sandbox_(sandbox), out_(out) {}

  Status print(const Value& value) {
    const Sandbox::Level level(sandbox_);
    FLEX_CHECK(level.check());
    FLEX_CHECK(sandbox_.charge(1));
    if (const Text* text = as_text(value)) return print_text(*text);
    if (const List* list = as_list(value)) return print_list(*list);
    if (const Dict* dict = as_dict(value)) return print_dict(*dict);
    if (is_none(value)) {
      out_.append("null", false);
    } else if (const auto* boolean = std::get_if<bool>(&value)) {
      out_.append(*boolean ? "true" : "false", false);
    } else if (const auto* integer = std::get_if<int64_t>(&value)) {
      out_.append(fmt::format("{}", *integer), false);
    } else if (const auto* number = std::get_if<double>(&value)) {
      out_.append(json_number(*number), false);
    } else {
      return make_error(ErrorCode::kUnsupported,
                        fmt::format("a value of type {} cannot be written as JSON", type_name(value)));
    }
    return {};
  }

 private:
  Status print_text(const Text& text) {
    FLEX_CHECK(sandbox_.charge(1 + text.size() / 4));
    out_.append('"', false);
    for (size_t at = 0; at < text.size();) {
      const Character character = first_character(text.bytes().substr(at));
      const std::string escape = json_escape(character.code_point, style_.ascii);
      if (escape.empty()) {
        out_.append(text.part(at, character.n_bytes));
      } else {
        out_.append(escape, text.is_trusted(at));
      }
      at += character.n_bytes;
    }
    out_.append('"', false);
    return {};
  }

  // Before an item and before the closing bracket.
  Status begin_line(size_t depth) {
    if (!style_.indent) return {};
    FLEX_CHECK(sandbox_.charge(1 + depth * (1 + style_.indent->size() / 16)));
    out_.append('\n', false);
    for (; depth > 0 && !out_.is_full(); --depth)
      out_.append(*style_.indent);
    return {};
  }

  Status print_list(const List& list) {
    if (list.kind == ListKind::kIterator || list.kind == ListKind::kView) {
      return make_error(ErrorCode::kUnsupported,
                        fmt::format("a {} cannot be written as JSON",
                                    list.kind == ListKind::kView ? "dict view" : "generator"));
    }
    if (list.items.empty()) {
      out_.append("[]", false);
      return {};
    }
    out_.append('[', false);
    ++depth_;
    for (size_t i = 0; i < list.items.size(); ++i) {
      if (i > 0) out_.append(style_.item_separator);
      FLEX_CHECK(begin_line(depth_));
      FLEX_CHECK(print(list.items[i]));
    }
    FLEX_CHECK(begin_line(--depth_));
    out_.append(']', false);
    return {};
  }

  Status print_dict(const Dict& dict) {
    if (dict.entries.empty()) {
      out_.append("{}", false);
      return {};
    }
    out_.append('{', false);
    ++depth_;
    for (size_t i = 0; i < dict.entries.size(); ++i) {
      if (i > 0) out_.append(style_.item_separator);
      FLEX_CHECK(begin_line(depth_));
      const DictEntry& entry = dict.entries[style_.sort_keys ? dict.sorted[i] : i];
      FLEX_CHECK(print_key(entry.key));
      out_.append(style_.key_separator);
      FLEX_CHECK(print(entry.value));
    }
    FLEX_CHECK(begin_line(--depth_));
    out_.append('}', false);
    return {};
  }

  Status print_key(const Value& key) {
    if (as_text(key) != nullptr) return print(key);
    out_.append('"', false);
    FLEX_CHECK(print(key));
    out_.append('"', false);
    return {};
  }

  const JsonStyle& style_;
  Sandbox& sandbox_;
  TextBuilder& out_;
  size_t depth_ = 0;
};

}  // namespace

Status print_json(const Value& value, const JsonStyle& style, Sandbox& sandbox, TextBuilder& out) {
  return JsonPrinter(style, sandbox, out).print(value);
}

}  // namespace flexinfer::jinja
