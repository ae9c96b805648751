// The filters of single values: numbers, defaults, JSON.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "text/template/arguments.h"
#include "text/template/builtins.h"
#include "text/template/characters.h"
#include "text/template/filters.h"
#include "text/template/literals.h"
#include "text/template/operators.h"
#include "text/template/print.h"

namespace flexinfer::jinja {
namespace {

constexpr double kLargestInteger = 9.2e18;  // of those that surely fit into 64 bits

Result<double> as_number(const Value& value) {
  int64_t storage = 0;
  if (const int64_t* integer = as_int(value, storage)) return static_cast<double>(*integer);
  if (const auto* number = std::get_if<double>(&value)) return *number;
  FLEX_CHECK(require_defined(value));
  return make_error(ErrorCode::kUnsupported, fmt::format("a {} is not a number", type_name(value)));
}

Result<Value> absolute(Call& call) {
  FLEX_TRY(const double number, as_number(call.self));
  return number < 0 ? negative(call.self) : Result<Value>(call.self);
}

Result<Value> round(Call& call) {
  FLEX_TRY(const Arguments arguments, Arguments::bind(call, {"precision", "method"}));
  FLEX_TRY(const double number, as_number(call.self));
  FLEX_TRY(const int64_t precision, arguments.integer(0, 0));
  FLEX_TRY(const Text method, arguments.text(1, Text("common", true)));
  const double scale = std::pow(10.0, static_cast<double>(std::clamp<int64_t>(precision, -300, 300)));
  if (method.bytes() == "ceil") return Value(std::ceil(number * scale) / scale);
  if (method.bytes() == "floor") return Value(std::floor(number * scale) / scale);
  if (method.bytes() != "common") return make_error(ErrorCode::kUnsupported, "the method is unknown");
  int64_t storage = 0;
  const bool is_integer = as_int(call.self, storage) != nullptr;
  if (is_integer && precision >= 0) return call.self;
  if (precision < 0) {
    const double rounded = std::nearbyint(number * scale) / scale;
    const bool fits = is_integer && std::abs(rounded) < kLargestInteger;
    return fits ? Value(static_cast<int64_t>(rounded)) : Value(rounded);
  }
  // The nearest, and of two equally near the even one, of the exact value: as the digits are written.
  const auto n_digits = static_cast<int>(std::clamp<int64_t>(precision, 0, 300));
  return Value(parse_float(fmt::format("{:.{}f}", number, n_digits)).value_or(number));
}

Result<Value> to_int(Call& call) {
  FLEX_TRY(const Arguments arguments, Arguments::bind(call, {"default", "base"}));
  FLEX_TRY(const int64_t base, arguments.integer(1, 10));
  int64_t storage = 0;
  if (const int64_t* integer = as_int(call.self, storage)) return Value(*integer);
  std::optional<double> number;
  if (const auto* real = std::get_if<double>(&call.self)) number = *real;
  if (const Text* text = as_text(call.self); text != nullptr && base >= 2 && base <= 36) {
    if (const auto integer = parse_int(text->bytes(), static_cast<int>(base))) return Value(*integer);
    number = parse_float(text->bytes());
  }
  if (number && std::abs(*number) < kLargestInteger) return Value(static_cast<int64_t>(*number));
  return arguments.get(0, int64_t{0});
}

Result<Value> to_float(Call& call) {
  FLEX_TRY(const Arguments arguments, Arguments::bind(call, {"default"}));
  if (const Text* text = as_text(call.self)) {
    const auto number = parse_float(text->bytes());
    return number ? Value(*number) : arguments.get(0, 0.0);
  }
  const Result<double> number = as_number(call.self);
  return number ? Value(*number) : arguments.get(0, 0.0);
}

Result<Value> or_default(Call& call) {
  FLEX_TRY(const Arguments arguments, Arguments::bind(call, {"default_value", "boolean"}));
  FLEX_TRY(const bool for_all_false, arguments.boolean(1, false));
  const bool is_missing = is_undefined(call.self) || (for_all_false && !is_true(call.self));
  return is_missing ? arguments.get(0, Text("", true)) : call.self;
}

Result<Value> length(Call& call) {
  if (is_undefined(call.self)) return Value(int64_t{0});
  if (const List* list = as_list(call.self)) return Value(static_cast<int64_t>(list->items.size()));
  if (const Dict* dict = as_dict(call.self)) return Value(static_cast<int64_t>(dict->entries.size()));
  const Text* text = as_text(call.self);
  if (text == nullptr) {
    return make_error(ErrorCode::kUnsupported, fmt::format("a {} has no length", type_name(call.self)));
  }
  FLEX_CHECK(call.sandbox.charge_bytes(text->size()));
  return Value(n_characters(text->bytes()));
}

Result<Value> get_attribute(Call& call) {
  FLEX_TRY(const Arguments arguments, Arguments::bind(call, {"name"}));
  FLEX_TRY(const Text name, arguments.text(0, {}));
  return attribute(call.self, name.bytes(), call.sandbox);
}

// The separators, and of what is indented only the line breaks differ from json.dumps.
Result<JsonStyle> json_style(const Arguments& arguments, Sandbox& sandbox) {
  JsonStyle style;
  FLEX_TRY(style.ascii, arguments.boolean(0, false));
  FLEX_TRY(style.sort_keys, arguments.boolean(3, false));
  const Value indent = arguments.get(1, None{});
  if (const Text* text = as_text(indent)) {
    style.indent = *text;
  } else if (!is_none(indent)) {
    FLEX_TRY(const int64_t width, arguments.integer(1, 0));
    FLEX_TRY(const Value blanks, calculate(Operator::kMultiply, Text(" ", false), width, sandbox));
    style.indent = *as_text(blanks);
  }
  style.item_separator = Text(style.indent ? "," : ", ", false);
  style.key_separator = Text(": ", false);
  const List* separators = as_list(arguments.get(2, None{}));
  if (separators == nullptr) return style;
  const bool are_two = separators->items.size() == 2 && as_text(separators->items[0]) != nullptr &&
                       as_text(separators->items[1]) != nullptr;
  if (!are_two) return make_error(ErrorCode::kUnsupported, "'separators' are two strings");
  style.item_separator = *as_text(separators->items[0]);
  style.key_separator = *as_text(separators->items[1]);
  return style;
}

Result<Value> to_json(Call& call) {
  FLEX_TRY(const Arguments arguments,
           Arguments::bind(call, {"ensure_ascii", "indent", "separators", "sort_keys"}));
  FLEX_TRY(const JsonStyle style, json_style(arguments, call.sandbox));
  TextBuilder out(call.sandbox);
  FLEX_CHECK(print_json(call.self, style, call.sandbox, out));
  FLEX_TRY(const Text text, out.finish(call.sandbox));
  return Value(text);
}

struct Row {
  std::string_view name;
  Builtin builtin;
};
constexpr auto kFilters = std::to_array<Row>({
    {"abs", absolute},
    {"round", round},
    {"int", to_int},
    {"float", to_float},
    {"default", or_default},
    {"d", or_default},
    {"length", length},
    {"count", length},
    {"attr", get_attribute},
    {"tojson", to_json},
});

}  // namespace

Builtin find_value_filter(std::string_view name) {
  const auto row = std::ranges::find(kFilters, name, &Row::name);
  return row == kFilters.end() ? nullptr : row->builtin;
}

Builtin find_filter(std::string_view name) {
  if (const Builtin filter = find_text_filter(name)) return filter;
  if (const Builtin filter = find_value_filter(name)) return filter;
  return find_list_filter(name);
}

}  // namespace flexinfer::jinja
