#include "text/template/value.h"

#include <fmt/format.h>

#include <algorithm>
#include <compare>
#include <string>

namespace flexinfer::jinja {
namespace {

// Numbers first, then texts, then the others, which are not told apart but by their kind.
int key_class(const Value& value) {
  if (std::holds_alternative<bool>(value) || std::holds_alternative<int64_t>(value)) return 0;
  if (std::holds_alternative<double>(value)) return 0;
  return 1 + static_cast<int>(value.index());
}

double as_number(const Value& value) {
  int64_t storage = 0;
  if (const int64_t* integer = as_int(value, storage)) return static_cast<double>(*integer);
  return std::get<double>(value);
}

}  // namespace

const char* type_name(const Value& value) {
  if (const List* list = as_list(value)) {
    constexpr const char* kNames[] = {"list", "tuple", "dict view", "generator"};
    return kNames[static_cast<size_t>(list->kind)];
  }
  constexpr const char* kNames[] = {"Undefined", "NoneType", "bool",      "int",      "float",      "str",
                                    "list",      "dict",     "Namespace", "function", "LoopContext"};
  return kNames[value.index()];
}

const int64_t* as_int(const Value& value, int64_t& storage) {
  if (const auto* integer = std::get_if<int64_t>(&value)) return integer;
  const auto* boolean = std::get_if<bool>(&value);
  if (boolean == nullptr) return nullptr;
  storage = *boolean ? 1 : 0;
  return &storage;
}

bool is_true(const Value& value) {
  if (is_undefined(value) || is_none(value)) return false;
  int64_t storage = 0;
  if (const int64_t* integer = as_int(value, storage)) return *integer != 0;
  if (const auto* number = std::get_if<double>(&value)) return *number != 0;
  if (const Text* text = as_text(value)) return !text->empty();
  if (const List* list = as_list(value)) return list->kind == ListKind::kIterator || !list->items.empty();
  if (const Dict* dict = as_dict(value)) return !dict->entries.empty();
  return true;
}

std::string undefined_message(const Undefined& undefined) {
  if (undefined.reason != nullptr) return fmt::format("'{}' {}", undefined.name, undefined.reason);
  if (undefined.owner == nullptr) return fmt::format("'{}' is undefined", undefined.name);
  return fmt::format("'{} object' has no attribute '{}'", undefined.owner, undefined.name);
}

std::weak_ordering compare_keys(const Value& a, const Value& b) {
  const int class_a = key_class(a);
  const int class_b = key_class(b);
  if (class_a != class_b) return class_a <=> class_b;
  if (const Text* text = as_text(a)) return text->bytes() <=> as_text(b)->bytes();
  if (class_a != 0) return std::weak_ordering::equivalent;
  const double number_a = as_number(a);
  const double number_b = as_number(b);
  if (number_a == number_b) return std::weak_ordering::equivalent;
  return number_a < number_b ? std::weak_ordering::less : std::weak_ordering::greater;
}

const Value* find(const Dict& dict, const Value& key) {
  const auto found = std::ranges::lower_bound(
      dict.sorted, key, [](const Value& a, const Value& b) { return compare_keys(a, b) < 0; },
      [&](uint32_t index) -> const Value& { return dict.entries[index].key; });
  if (found == dict.sorted.end()) return nullptr;
  const DictEntry& entry = dict.entries[*found];
  return compare_keys(entry.key, key) == 0 ? &entry.value : nullptr;
}

Value* find(Namespace& space, std::string_view name) {
  for (Keyword& member : space.members.first(space.n_members)) {
    if (member.name == name) return &member.value;
  }
  return nullptr;
}

}  // namespace flexinfer::jinja
