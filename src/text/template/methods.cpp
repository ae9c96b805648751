// The methods of texts, lists and dictionaries.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "text/template/arguments.h"
#include "text/template/builtins.h"
#include "text/template/characters.h"
#include "text/template/operators.h"
#include "text/template/print.h"
#include "text/template/text_functions.h"

namespace flexinfer::jinja {
namespace {

const Text& self(const Call& call) {
  return *as_text(call.self);
}

template <Sides kSides>
Result<Value> text_strip(Call& call) {
  FLEX_TRY(const Arguments arguments, Arguments::bind(call, {"chars"}));
  FLEX_TRY(const Text characters, arguments.text(0, {}));
  const bool is_given = arguments.find(0) != nullptr && !is_none(*arguments.find(0));
  FLEX_CHECK(call.sandbox.charge(1 + self(call).size() / 8 * (1 + characters.size() / 4)));
  return Value(strip(self(call), kSides, is_given ? &characters : nullptr));
}

// At white space, which is dropped at both ends.
std::vector<Text> split_at_spaces(const Text& text, int64_t n, size_t most) {
  std::vector<Text> pieces;
  Text rest = strip(text, Sides::kLeft);
  while (!rest.empty() && pieces.size() < most) {
    size_t end = 0;
    while (end < rest.size()) {
      const Character character = first_character(rest.bytes().substr(end));
      if (is_space(character.code_point)) break;
      end += character.n_bytes;
    }
    if (n-- == 0) {
      pieces.push_back(strip(rest, Sides::kRight));
      break;
    }
    pieces.push_back(rest.part(0, end));
    rest = strip(rest.part(end), Sides::kLeft);
  }
  return pieces;
}

std::vector<Text> split_at(const Text& text, std::string_view separator, int64_t n, size_t most) {
  std::vector<Text> pieces;
  size_t begin = 0;
  for (; n != 0 && pieces.size() < most; --n) {
    const size_t found = find_bytes(text.bytes(), separator, begin);
    if (found == std::string_view::npos) break;
    pieces.push_back(text.part(begin, found - begin));
    begin = found + separator.size();
  }
  pieces.push_back(text.part(begin));
  return pieces;
}

std::vector<Text> split_from_right(const Text& text, std::string_view separator, int64_t n, size_t most) {
  std::vector<Text> pieces = split_at(text, separator, -1, most);
  if (n < 0 || pieces.size() <= static_cast<size_t>(n) + 1) return pieces;
  const size_t n_joined = pieces.size() - static_cast<size_t>(n);
  const Text& last = pieces[n_joined - 1];
  const auto joined_bytes = static_cast<size_t>(last.bytes().data() + last.size() - text.bytes().data());
  pieces.erase(pieces.begin() + 1, pieces.begin() + static_cast<ptrdiff_t>(n_joined));
  pieces.front() = text.part(0, joined_bytes);
  return pieces;
}

template <bool kFromRight>
Result<Value> text_split(Call& call) {
  FLEX_TRY(const Arguments arguments, Arguments::bind(call, {"sep", "maxsplit"}));
  FLEX_TRY(const Text separator, arguments.text(0, {}));
  FLEX_TRY(const int64_t n, arguments.integer(1, -1));
  FLEX_CHECK(call.sandbox.charge(1 + self(call).size() / 2));
  const size_t most = call.sandbox.arena().left_bytes() / sizeof(Value) + 1;  // more do not fit
  const bool at_spaces = arguments.find(0) == nullptr || is_none(*arguments.find(0));
  if (at_spaces && kFromRight && n >= 0) {
    return make_error(ErrorCode::kUnsupported, "needs a separator where the number of splits is limited");
  }
  if (at_spaces) return list_of(split_at_spaces(self(call), n, most), call.sandbox);
  if (separator.empty()) return make_error(ErrorCode::kUnsupported, "the separator is empty");
  const auto split = kFromRight ? split_from_right : split_at;
  return list_of(split(self(call), separator.bytes(), n, most), call.sandbox);
}

Result<Value> text_splitlines(Call& call) {
  FLEX_TRY(const Arguments arguments, Arguments::bind(call, {"keepends"}));
  FLEX_TRY(const bool keep_ends, arguments.boolean(0, false));
  FLEX_TRY(const std::vector<Text> lines, split_lines(self(call), keep_ends, call.sandbox));
  return list_of(lines, call.sandbox);
}

template <bool (*kHolds)(std::string_view text, std::string_view affix)>
Result<Value> text_has_affix(Call& call) {
  FLEX_TRY(const Arguments arguments, Arguments::bind(call, {"affix"}));
  FLEX_TRY(const Value affix, arguments.require(0));
  const List* list = as_list(affix);
  const std::span<const Value> affixes = list == nullptr ? std::span(&affix, 1) : list->items;
  for (const Value& candidate : affixes) {
    const Text* text = as_text(candidate);
    if (text == nullptr) return make_error(ErrorCode::kUnsupported, "takes a string or a tuple of strings");
    FLEX_CHECK(call.sandbox.charge_bytes(text->size()));
    if (kHolds(self(call).bytes(), text->bytes())) return Value(true);
  }
  return Value(false);
}
bool starts_with(std::string_view text, std::string_view prefix) {
  return text.starts_with(prefix);
}
bool ends_with(std::string_view text, std::string_view suffix) {
  return text.ends_with(suffix);
}

template <bool kIsPrefix>
Result<Value> text_remove_affix(Call& call) {
  FLEX_TRY(const Arguments arguments, Arguments::bind(call, {"affix"}));
  FLEX_TRY(const Text affix, arguments.text(0, {}));
  const Text& text = self(call);
  if (kIsPrefix && starts_with(text.bytes(), affix.bytes())) return Value(text.part(affix.size()));
  if (!kIsPrefix && ends_with(text.bytes(), affix.bytes()))
    return Value(text.part(0, text.size() - affix.size()));
  return Value(text);
}

Result<Value> text_replace(Call& call) {
  FLEX_TRY(const Arguments arguments, Arguments::bind(call, {"old", "new", "count"}));
  FLEX_TRY(const Text old, arguments.text(0, {}));
  FLEX_TRY(const Text with, arguments.text(1, {}));
  FLEX_TRY(const int64_t n, arguments.integer(2, -1));
  return replace(self(call), old, with, n, call.sandbox).map([](const Text& text) { return Value(text); });
}

template <bool kUpper>
Result<Value> text_in_case(Call& call) {
  return in_case(self(call), kUpper, call.sandbox).map([](const Text& text) { return Value(text); });
}
Result<Value> text_capitalize(Call& call) {
  return capitalized(self(call), call.sandbox).map([](const Text& text) { return Value(text); });
}
Result<Value> text_title(Call& call) {
  const auto begins_word = [](uint32_t before) { return before == 0 || !is_letter(before); };
  return titled(self(call), begins_word, call.sandbox).map([](const Text& text) { return Value(text); });
}

// Where the argument stands, in characters; -1 where it does not.
Result<int64_t> locate(const Call& call, bool from_right) {
  FLEX_TRY(const Arguments arguments, Arguments::bind(call, {"sub", "start"}));
  FLEX_TRY(const Text wanted, arguments.text(0, {}));
  FLEX_TRY(const int64_t start, arguments.integer(1, 0));
  const std::string_view text = self(call).bytes();
  FLEX_CHECK(call.sandbox.charge(1 + text.size() / 2));
  const int64_t from = start < 0 ? std::max<int64_t>(n_characters(text) + start, 0) : start;
  size_t found = std::string_view::npos;
  for (size_t next = bytes_of_characters(text, from); next != std::string_view::npos;) {
    next = find_bytes(text, wanted.bytes(), next);
    if (next == std::string_view::npos) break;
    FLEX_CHECK(call.sandbox.charge_bytes(wanted.size()));
    found = next++;
    if (!from_right) break;
  }
  return found == std::string_view::npos ? -1 : n_characters(text.substr(0, found));
}
template <bool kFromRight>
Result<Value> text_find(Call& call) {
  return locate(call, kFromRight).map([](int64_t at) { return Value(at); });
}
template <bool kFromRight>
Result<Value> text_index(Call& call) {
  FLEX_TRY(const int64_t at, locate(call, kFromRight));
  if (at < 0) return make_error(ErrorCode::kUnsupported, "the text is not found");
  return Value(at);
}

Result<Value> text_count(Call& call) {
  FLEX_TRY(const Arguments arguments, Arguments::bind(call, {"sub"}));
  FLEX_TRY(const Text wanted, arguments.text(0, {}));
  const std::string_view text = self(call).bytes();
  FLEX_CHECK(call.sandbox.charge(1 + text.size() / 2));
  if (wanted.empty()) return Value(n_characters(text) + 1);
  int64_t n = 0;
  for (size_t at = find_bytes(text, wanted.bytes()); at != std::string_view::npos; ++n)
    at = find_bytes(text, wanted.bytes(), at + wanted.size());
  return Value(n);
}

Result<Value> text_join(Call& call) {
  FLEX_TRY(const Arguments arguments, Arguments::bind(call, {"iterable"}));
  FLEX_TRY(const Value iterable, arguments.require(0));
  FLEX_TRY(const std::span<const Value> items, iterate(iterable, call.sandbox));
  const auto not_text =
      std::ranges::find_if(items, [](const Value& item) { return as_text(item) == nullptr; });
  if (not_text != items.end()) {
    return make_error(ErrorCode::kUnsupported, fmt::format("a {} cannot be joined", type_name(*not_text)));
  }
  return join(items, self(call), call.sandbox).map([](const Text& text) { return Value(text); });
}

// Whether there are characters and all are of a kind.
template <bool (*kIsWanted)(uint32_t)>
Result<Value> text_is_all(Call& call) {
  FLEX_CHECK(call.sandbox.charge(1 + self(call).size() / 4));
  for (std::string_view rest = self(call).bytes(); !rest.empty();) {
    const Character character = first_character(rest);
    if (!kIsWanted(character.code_point)) return Value(false);
    rest.remove_prefix(character.n_bytes);
  }
  return Value(!self(call).empty());
}
bool is_letter_or_decimal(uint32_t code_point) {
  return is_letter(code_point) || is_decimal(code_point);
}

Result<Value> text_test(Call& call) {
  return find_test(call.name.substr(2))(call);  // "isupper", "islower"
}

enum class Align : uint8_t { kLeft, kRight, kCenter };
template <Align kAlign>
Result<Value> text_justify(Call& call) {
  FLEX_TRY(const Arguments arguments, Arguments::bind(call, {"width", "fillchar"}));
  FLEX_TRY(const int64_t width, arguments.integer(0, 0));
  FLEX_TRY(const Text fill, arguments.text(1, Text(" ", true)));
  FLEX_CHECK(call.sandbox.charge_bytes(self(call).size()));
  const int64_t missing = std::max<int64_t>(width - n_characters(self(call).bytes()), 0);
  const int64_t before = kAlign == Align::kLeft    ? 0
                         : kAlign == Align::kRight ? missing
                                                   : missing / 2 + (missing & width & 1);
  FLEX_TRY(const Value left, calculate(Operator::kMultiply, fill, before, call.sandbox));
  FLEX_TRY(const Value right, calculate(Operator::kMultiply, fill, missing - before, call.sandbox));
  FLEX_TRY(const Value start, calculate(Operator::kAdd, left, call.self, call.sandbox));
  return calculate(Operator::kAdd, start, right, call.sandbox);
}

Result<Value> text_zfill(Call& call) {
  FLEX_TRY(const Arguments arguments, Arguments::bind(call, {"width"}));
  FLEX_TRY(const int64_t width, arguments.integer(0, 0));
  const Text& text = self(call);
  const bool is_signed = text.bytes().starts_with('-') || text.bytes().starts_with('+');
  const int64_t missing = std::max<int64_t>(width - n_characters(text.bytes()), 0);
  FLEX_TRY(const Value zeros, calculate(Operator::kMultiply, Text("0", true), missing, call.sandbox));
  TextBuilder out(call.sandbox);
  out.append(text.part(0, is_signed ? 1 : 0));
  out.append(*as_text(zeros));
  out.append(text.part(is_signed ? 1 : 0));
  return out.finish(call.sandbox).map([](const Text& filled) { return Value(filled); });
}

template <bool kFromRight>
Result<Value> text_partition(Call& call) {
  FLEX_TRY(const Arguments arguments, Arguments::bind(call, {"sep"}));
  FLEX_TRY(const Text separator, arguments.text(0, {}));
  if (separator.empty()) return make_error(ErrorCode::kUnsupported, "the separator is empty");
  const Text& text = self(call);
  FLEX_CHECK(call.sandbox.charge(1 + text.size() / 2));
  const std::vector<Text> pieces = kFromRight ? split_from_right(text, separator.bytes(), 1, text.size() + 1)
                                              : split_at(text, separator.bytes(), 1, text.size() + 1);
  const Text none = text.part(text.size());
  if (pieces.size() == 1 && kFromRight) return call.sandbox.tuple({none, none, text});
  if (pieces.size() == 1) return call.sandbox.tuple({text, none, none});
  return call.sandbox.tuple({pieces[0], text.part(pieces[0].size(), separator.size()), pieces[1]});
}

// "{} and {name}".format(...): without format specifications.
Result<Value> text_format(Call& call) {
  TextBuilder out(call.sandbox);
  const std::string_view format = self(call).bytes();
  size_t n_used = 0;
  for (size_t at = 0; at < format.size();) {
    const bool is_brace = format[at] == '{' || format[at] == '}';
    const bool is_doubled = is_brace && at + 1 < format.size() && format[at + 1] == format[at];
    if (!is_brace || is_doubled) {
      out.append(self(call).part(at, 1));
      at += is_doubled ? 2 : 1;
      continue;
    }
    const size_t end = format.find('}', at);
    if (format[at] == '}' || end == std::string_view::npos) {
      return make_error(ErrorCode::kUnsupported, "a brace of the format stands alone");
    }
    const std::string_view field = format.substr(at + 1, end - at - 1);
    const auto keyword = std::ranges::find(call.keywords, field, &Keyword::name);
    const size_t index = field.empty()       ? n_used++
                         : field.size() == 1 ? static_cast<size_t>(field[0] - '0')
                                             : ~size_t{0};
    const Value* value = keyword != call.keywords.end()  ? &keyword->value
                         : index < call.arguments.size() ? &call.arguments[index]
                                                         : nullptr;
    if (value == nullptr) {
      return make_error(ErrorCode::kUnsupported,
                        fmt::format("no argument for '{{{}}}' of the format", field));
    }
    FLEX_CHECK(print(*value, call.sandbox, out));
    at = end + 1;
  }
  return out.finish(call.sandbox).map([](const Text& text) { return Value(text); });
}

Result<Value> list_index(Call& call) {
  FLEX_TRY(const Arguments arguments, Arguments::bind(call, {"value"}));
  FLEX_TRY(const Value wanted, arguments.require(0));
  const std::span<const Value> items = as_list(call.self)->items;
  for (size_t i = 0; i < items.size(); ++i) {
    FLEX_TRY(const bool same, equal(items[i], wanted, call.sandbox));
    if (same) return Value(static_cast<int64_t>(i));
  }
  return make_error(ErrorCode::kUnsupported, "the value is not in the list");
}

Result<Value> list_count(Call& call) {
  FLEX_TRY(const Arguments arguments, Arguments::bind(call, {"value"}));
  FLEX_TRY(const Value wanted, arguments.require(0));
  int64_t n = 0;
  for (const Value& item : as_list(call.self)->items) {
    FLEX_TRY(const bool same, equal(item, wanted, call.sandbox));
    n += same ? 1 : 0;
  }
  return Value(n);
}

Result<Value> copy_self(Call& call) {
  return call.self;
}

template <bool kKeys, bool kValues>
Result<Value> dict_view(Call& call) {
  FLEX_TRY(const Arguments none, Arguments::bind(call, {}));
  static_cast<void>(none);
  std::vector<Value> items;
  for (const DictEntry& entry : as_dict(call.self)->entries) {
    Value item = kKeys ? entry.key : entry.value;
    if (kKeys && kValues) {
      FLEX_TRY(item, call.sandbox.tuple({entry.key, entry.value}));
    }
    items.push_back(item);
  }
  return call.sandbox.list(items, ListKind::kView);
}

Result<Value> dict_get(Call& call) {
  FLEX_TRY(const Arguments arguments, Arguments::bind(call, {"key", "default"}));
  FLEX_TRY(const Value key, arguments.require(0));
  const Value* found = find(*as_dict(call.self), key);
  return found == nullptr ? arguments.get(1, None{}) : *found;
}

struct Row {
  std::string_view name;
  Builtin builtin;
};
constexpr auto kTextMethods = std::to_array<Row>({
    {"strip", text_strip<Sides::kBoth>},
    {"lstrip", text_strip<Sides::kLeft>},
    {"rstrip", text_strip<Sides::kRight>},
    {"split", text_split<false>},
    {"rsplit", text_split<true>},
    {"splitlines", text_splitlines},
    {"startswith", text_has_affix<starts_with>},
    {"endswith", text_has_affix<ends_with>},
    {"removeprefix", text_remove_affix<true>},
    {"removesuffix", text_remove_affix<false>},
    {"replace", text_replace},
    {"upper", text_in_case<true>},
    {"lower", text_in_case<false>},
    {"capitalize", text_capitalize},
    {"title", text_title},
    {"find", text_find<false>},
    {"rfind", text_find<true>},
    {"index", text_index<false>},
    {"rindex", text_index<true>},
    {"count", text_count},
    {"join", text_join},
    {"isspace", text_is_all<is_space>},
    {"isalpha", text_is_all<is_letter>},
    {"isdigit", text_is_all<is_decimal>},
    {"isdecimal", text_is_all<is_decimal>},
    {"isnumeric", text_is_all<is_decimal>},
    {"isalnum", text_is_all<is_letter_or_decimal>},
    {"isupper", text_test},
    {"islower", text_test},
    {"ljust", text_justify<Align::kLeft>},
    {"rjust", text_justify<Align::kRight>},
    {"center", text_justify<Align::kCenter>},
    {"zfill", text_zfill},
    {"partition", text_partition<false>},
    {"rpartition", text_partition<true>},
    {"format", text_format},
});
constexpr auto kListMethods =
    std::to_array<Row>({{"index", list_index}, {"count", list_count}, {"copy", copy_self}});
constexpr auto kDictMethods = std::to_array<Row>({{"items", dict_view<true, true>},
                                                  {"keys", dict_view<true, false>},
                                                  {"values", dict_view<false, true>},
                                                  {"get", dict_get},
                                                  {"copy", copy_self}});
constexpr auto kForbiddenOfLists = std::to_array<std::string_view>(
    {"append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse"});
constexpr auto kForbiddenOfDicts =
    std::to_array<std::string_view>({"update", "pop", "popitem", "setdefault", "clear"});

template <class Rows>
Builtin find_in(const Rows& rows, std::string_view name) {
  const auto row = std::ranges::find(rows, name, &Row::name);
  return row == rows.end() ? nullptr : row->builtin;
}

}  // namespace

Builtin find_method(const Value& self, std::string_view name) {
  if (as_text(self) != nullptr) return find_in(kTextMethods, name);
  if (as_dict(self) != nullptr) return find_in(kDictMethods, name);
  if (const List* list = as_list(self); list != nullptr && list->kind <= ListKind::kTuple) {
    return find_in(kListMethods, name);
  }
  return nullptr;
}

bool is_forbidden_method(const Value& self, std::string_view name) {
  if (as_list(self) != nullptr) return std::ranges::find(kForbiddenOfLists, name) != kForbiddenOfLists.end();
  if (as_dict(self) != nullptr) return std::ranges::find(kForbiddenOfDicts, name) != kForbiddenOfDicts.end();
  return false;
}

}  // namespace flexinfer::jinja
