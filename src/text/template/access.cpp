// Attributes, items, slices and iteration.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "text/template/builtins.h"
#include "text/template/characters.h"
#include "text/template/loop.h"
#include "text/template/operators.h"

namespace flexinfer::jinja {
namespace {

constexpr const char* kChangesItself = "would change a value, which a template may not do";

Value missing(const Value& owner, std::string_view name) {
  return Undefined{.name = name, .owner = type_name(owner)};
}

// Where an index counted from either end stands; nullopt outside.
std::optional<size_t> position(int64_t index, size_t size) {
  if (index < 0) index += static_cast<int64_t>(size);
  if (index < 0 || index >= static_cast<int64_t>(size)) return std::nullopt;
  return static_cast<size_t>(index);
}

Result<Value> character_at(const Value& value, int64_t index, Sandbox& sandbox) {
  const Text& text = *as_text(value);
  FLEX_CHECK(sandbox.charge_bytes(text.size()));
  const auto at = position(index, static_cast<size_t>(n_characters(text.bytes())));
  if (!at) return missing(value, "index");
  const size_t begin = bytes_of_characters(text.bytes(), static_cast<int64_t>(*at));
  return Value(text.part(begin, first_character(text.bytes().substr(begin)).n_bytes));
}

Result<std::vector<Text>> characters_of(const Text& text, Sandbox& sandbox) {
  FLEX_CHECK(sandbox.charge(1 + text.size()));
  if (text.size() * sizeof(Value) > sandbox.arena().left_bytes()) {
    return make_error(ErrorCode::kUnsupported, "the text is too long to be taken apart into characters");
  }
  std::vector<Text> characters;
  for (size_t at = 0; at < text.size();) {
    const size_t n_bytes = first_character(text.bytes().substr(at)).n_bytes;
    characters.push_back(text.part(at, n_bytes));
    at += n_bytes;
  }
  return characters;
}

struct Range {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t step = 1;
};

Result<int64_t> bound(const Value* value, int64_t if_left_out, int64_t least, int64_t most, int64_t size) {
  if (value == nullptr || is_none(*value)) return if_left_out;
  int64_t storage = 0;
  const int64_t* index = as_int(*value, storage);
  if (index == nullptr) {
    return make_error(ErrorCode::kUnsupported, fmt::format("a {} is no index of a slice", type_name(*value)));
  }
  return std::clamp(*index < 0 ? *index + size : *index, least, most);
}

// As Python's slice.indices().
Result<Range> resolve(const SliceBounds& bounds, int64_t size) {
  Range range;
  const int64_t limit = size + 1;
  FLEX_TRY(range.step, bound(bounds.step, 1, -limit, limit, 0));
  if (range.step == 0) return make_error(ErrorCode::kUnsupported, "the step of a slice is zero");
  const bool is_forward = range.step > 0;
  const int64_t least = is_forward ? 0 : -1;
  const int64_t most = is_forward ? size : size - 1;
  FLEX_TRY(range.begin, bound(bounds.begin, is_forward ? least : most, least, most, size));
  FLEX_TRY(range.end, bound(bounds.end, is_forward ? most : least, least, most, size));
  return range;
}

Result<Value> slice_text(const Text& text, const SliceBounds& bounds, Sandbox& sandbox) {
  FLEX_CHECK(sandbox.charge_bytes(text.size()));
  FLEX_TRY(const Range range, resolve(bounds, n_characters(text.bytes())));
  if (range.step == 1) {
    const size_t begin = bytes_of_characters(text.bytes(), range.begin);
    const size_t n_bytes =
        bytes_of_characters(text.bytes().substr(begin), std::max<int64_t>(range.end - range.begin, 0));
    return Value(text.part(begin, n_bytes));
  }
  FLEX_TRY(const std::vector<Text> characters, characters_of(text, sandbox));
  TextBuilder out(sandbox);
  for (int64_t i = range.begin; range.step > 0 ? i < range.end : i > range.end; i += range.step)
    out.append(characters[static_cast<size_t>(i)]);
  FLEX_TRY(const Text sliced, out.finish(sandbox));
  return Value(sliced);
}

Result<Value> slice_list(const List& list, const SliceBounds& bounds, Sandbox& sandbox) {
  FLEX_TRY(const Range range, resolve(bounds, static_cast<int64_t>(list.items.size())));
  List sliced{{}, list.kind};
  if (range.step == 1) {
    const auto n_items = static_cast<size_t>(std::max<int64_t>(range.end - range.begin, 0));
    sliced.items = list.items.subspan(static_cast<size_t>(range.begin), n_items);
  } else {
    std::vector<Value> items;
    FLEX_CHECK(sandbox.charge(list.items.size()));
    for (int64_t i = range.begin; range.step > 0 ? i < range.end : i > range.end; i += range.step)
      items.push_back(list.items[static_cast<size_t>(i)]);
    FLEX_TRY(sliced.items, sandbox.arena().copy(std::span<const Value>(items)));
  }
  FLEX_TRY(const List* made, sandbox.arena().make(sliced));
  return Value(made);
}

const Value* member(const Value& value, std::string_view name) {
  if (const Dict* dict = as_dict(value)) return find(*dict, name);
  if (const auto* space = std::get_if<Namespace*>(&value)) return find(**space, name);
  return nullptr;
}

}  // namespace

Result<Value> attribute(const Value& value, std::string_view name, Sandbox& sandbox) {
  FLEX_CHECK(require_defined(value));
  if (const auto* loop = std::get_if<Loop*>(&value)) return loop_attribute(**loop, value, name, sandbox);
  if (const Builtin method = find_method(value, name)) return sandbox.method(name, method, value);
  if (is_forbidden_method(value, name)) {
    return Value(Undefined{.name = name, .owner = type_name(value), .reason = kChangesItself});
  }
  const Value* found = member(value, name);
  return found == nullptr ? missing(value, name) : *found;
}

Result<Value> subscript(const Value& value, const Value& key, Sandbox& sandbox) {
  FLEX_CHECK(require_defined(value));
  int64_t storage = 0;
  const int64_t* index = as_int(key, storage);
  if (const List* list = as_list(value); list != nullptr && index != nullptr) {
    const auto at = position(*index, list->items.size());
    return at ? list->items[*at] : missing(value, "index");
  }
  if (as_text(value) != nullptr && index != nullptr) return character_at(value, *index, sandbox);
  if (const Dict* dict = as_dict(value)) {
    FLEX_CHECK(sandbox.charge(1));
    if (const Value* found = find(*dict, key)) return *found;
  }
  const Text* name = as_text(key);
  if (name == nullptr) return missing(value, "key");
  FLEX_CHECK(sandbox.charge_bytes(name->size()));
  return attribute(value, name->bytes(), sandbox);
}

Result<Value> slice(const Value& value, const SliceBounds& bounds, Sandbox& sandbox) {
  FLEX_CHECK(require_defined(value));
  if (const Text* text = as_text(value)) return slice_text(*text, bounds, sandbox);
  const List* list = as_list(value);
  const bool has_slices =
      list != nullptr && (list->kind == ListKind::kList || list->kind == ListKind::kTuple);
  if (has_slices) return slice_list(*list, bounds, sandbox);
  return missing(value, "slice");
}

Result<std::span<const Value>> iterate(const Value& value, Sandbox& sandbox) {
  if (const List* list = as_list(value)) return list->items;
  if (is_undefined(value)) return std::span<const Value>();
  if (const Dict* dict = as_dict(value)) {
    FLEX_CHECK(sandbox.charge(dict->entries.size()));
    FLEX_TRY(const std::span<Value> keys, sandbox.arena().array<Value>(dict->entries.size()));
    std::ranges::transform(dict->entries, keys.begin(), &DictEntry::key);
    return std::span<const Value>(keys);
  }
  if (const Text* text = as_text(value)) {
    FLEX_TRY(const std::vector<Text> characters, characters_of(*text, sandbox));
    FLEX_TRY(const std::span<Value> items, sandbox.arena().array<Value>(characters.size()));
    std::ranges::copy(characters, items.begin());
    return std::span<const Value>(items);
  }
  return make_error(ErrorCode::kUnsupported, fmt::format("a {} cannot be looped over", type_name(value)));
}

}  // namespace flexinfer::jinja
