// The filters of texts.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "text/template/arguments.h"
#include "text/template/builtins.h"
#include "text/template/characters.h"
#include "text/template/filters.h"
#include "text/template/operators.h"
#include "text/template/text_functions.h"

namespace flexinfer::jinja {
namespace {

Result<Value> as_value(const Result<Text>& text) {
  return text.map([](const Text& made) { return Value(made); });
}

template <bool kUpper>
Result<Value> to_case(Call& call) {
  FLEX_TRY(const Text text, self_text(call));
  return as_value(in_case(text, kUpper, call.sandbox));
}

Result<Value> capitalize(Call& call) {
  FLEX_TRY(const Text text, self_text(call));
  return as_value(capitalized(text, call.sandbox));
}

Result<Value> title(Call& call) {
  FLEX_TRY(const Text text, self_text(call));
  const auto begins_word = [](uint32_t before) {
    constexpr std::string_view kOpening = "-({[<";
    return before == 0 || is_space(before) ||
           (before < 0x80 && kOpening.find(static_cast<char>(before)) != std::string_view::npos);
  };
  return as_value(titled(text, begins_word, call.sandbox));
}

Result<Value> trim(Call& call) {
  FLEX_TRY(const Arguments arguments, Arguments::bind(call, {"chars"}));
  FLEX_TRY(const Text text, self_text(call));
  FLEX_TRY(const Text characters, arguments.text(0, {}));
  FLEX_CHECK(call.sandbox.charge(1 + text.size() / 8 * (1 + characters.size() / 4)));
  const bool is_given = arguments.find(0) != nullptr && !is_none(*arguments.find(0));
  return Value(strip(text, Sides::kBoth, is_given ? &characters : nullptr));
}

Result<Value> replace_filter(Call& call) {
  FLEX_TRY(const Arguments arguments, Arguments::bind(call, {"old", "new", "count"}));
  FLEX_TRY(const Text text, self_text(call));
  FLEX_TRY(const Text old, arguments.text(0, {}));
  FLEX_TRY(const Text with, arguments.text(1, {}));
  FLEX_TRY(const int64_t n, arguments.integer(2, -1));
  return as_value(replace(text, old, with, n, call.sandbox));
}

// The width of one level: a number of blanks, or a text.
Result<Text> indentation(const Arguments& arguments, size_t parameter, int64_t otherwise, Sandbox& sandbox) {
  if (const Value* given = arguments.find(parameter); given != nullptr && as_text(*given) != nullptr) {
    return *as_text(*given);
  }
  FLEX_TRY(const int64_t width, arguments.integer(parameter, otherwise));
  FLEX_TRY(const Value blanks, calculate(Operator::kMultiply, Text(" ", true), width, sandbox));
  return *as_text(blanks);
}

Result<Value> indent(Call& call) {
  FLEX_TRY(const Arguments arguments, Arguments::bind(call, {"width", "first", "blank"}));
  FLEX_TRY(const Text text, self_text(call));
  FLEX_TRY(const Text margin, indentation(arguments, 0, 4, call.sandbox));
  FLEX_TRY(const bool first, arguments.boolean(1, false));
  FLEX_TRY(const bool blank, arguments.boolean(2, false));
  FLEX_TRY(std::vector<Text> lines, split_lines(text, false, call.sandbox));
  // A line break at the end begins one more line, which is empty.
  if (text.empty() || text.bytes().ends_with('\n')) lines.push_back(text.part(text.size()));
  TextBuilder out(call.sandbox);
  for (size_t i = 0; i < lines.size() && !out.is_full(); ++i) {
    FLEX_CHECK(call.sandbox.charge_bytes(margin.size()));
    if (i > 0) out.append('\n', true);
    if (i == 0 ? first : blank || !lines[i].empty()) out.append(margin);
    out.append(lines[i]);
  }
  return as_value(out.finish(call.sandbox));
}

Result<Value> center(Call& call) {
  FLEX_TRY(const Arguments arguments, Arguments::bind(call, {"width"}));
  FLEX_TRY(const int64_t width, arguments.integer(0, 80));
  FLEX_TRY(const Text text, self_text(call));
  const Value as_argument = width;
  Call method{call.sandbox, "center", text, {&as_argument, 1}, {}};
  return find_method(text, "center")(method);
}

Result<Value> truncate(Call& call) {
  FLEX_TRY(const Arguments arguments, Arguments::bind(call, {"length", "killwords", "end", "leeway"}));
  FLEX_TRY(const Text text, self_text(call));
  FLEX_TRY(const int64_t length, arguments.integer(0, 255));
  FLEX_TRY(const bool cuts_words, arguments.boolean(1, false));
  FLEX_TRY(const Text end, arguments.text(2, Text("...", true)));
  FLEX_TRY(const int64_t leeway, arguments.integer(3, 5));
  FLEX_CHECK(call.sandbox.charge_bytes(text.size()));
  if (n_characters(text.bytes()) <= length + leeway) return Value(text);
  const int64_t kept = std::max<int64_t>(length - n_characters(end.bytes()), 0);
  Text head = text.part(0, bytes_of_characters(text.bytes(), kept));
  if (!cuts_words) head = head.part(0, std::min(head.bytes().rfind(' '), head.size()));
  return calculate(Operator::kAdd, head, end, call.sandbox);
}

Result<Value> wordcount(Call& call) {
  FLEX_TRY(const Text text, self_text(call));
  FLEX_CHECK(call.sandbox.charge(1 + text.size() / 2));
  int64_t n = 0;
  bool is_in_word = false;
  for (std::string_view rest = text.bytes(); !rest.empty();) {
    const Character character = first_character(rest);
    const bool is_word =
        is_letter(character.code_point) || is_decimal(character.code_point) || character.code_point == '_';
    n += is_word && !is_in_word ? 1 : 0;
    is_in_word = is_word;
    rest.remove_prefix(character.n_bytes);
  }
  return Value(n);
}

Result<Value> escape(Call& call) {
  FLEX_TRY(const Text text, self_text(call));
  FLEX_CHECK(call.sandbox.charge(1 + text.size() / 2));
  constexpr std::string_view kEscaped = "&<>\"'";
  constexpr std::array<std::string_view, 5> kEscapes = {"&amp;", "&lt;", "&gt;", "&#34;", "&#39;"};
  TextBuilder out(call.sandbox);
  for (size_t at = 0; at < text.size(); ++at) {
    const size_t kind = kEscaped.find(text.bytes()[at]);
    if (kind == std::string_view::npos) {
      out.append(text.part(at, 1));
    } else {
      out.append(kEscapes[kind], text.is_trusted(at));
    }
  }
  return as_value(out.finish(call.sandbox));
}

Result<Value> format(Call& call) {
  FLEX_TRY(const Text text, self_text(call));
  return format_percent(text, call.arguments, call.sandbox);
}

Result<Value> string(Call& call) {
  return as_value(self_text(call));
}

struct Row {
  std::string_view name;
  Builtin builtin;
};
constexpr auto kFilters = std::to_array<Row>({
    {"upper", to_case<true>},
    {"lower", to_case<false>},
    {"capitalize", capitalize},
    {"title", title},
    {"trim", trim},
    {"replace", replace_filter},
    {"indent", indent},
    {"center", center},
    {"truncate", truncate},
    {"wordcount", wordcount},
    {"escape", escape},
    {"e", escape},
    {"format", format},
    {"string", string},
    {"safe", string},  // nothing is escaped unless asked for
});

}  // namespace

Builtin find_text_filter(std::string_view name) {
  const auto row = std::ranges::find(kFilters, name, &Row::name);
  return row == kFilters.end() ? nullptr : row->builtin;
}

}  // namespace flexinfer::jinja
