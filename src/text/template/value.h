// The values that a template works with, as Python has them.
//
// All are small and trivially copyable; what they refer to lives in an arena and never changes (but for
// namespaces and the state of a loop), so a piece of a text or a list is a view of it.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <variant>

#include "base/result.h"

namespace flexinfer::jinja {

struct Undefined {
  std::string_view name;         // of the variable or attribute that does not exist
  const char* owner = nullptr;   // the type of the value that lacks the attribute; nullptr: a variable
  const char* reason = nullptr;  // said instead, where there is more to it
};
struct None {};

// UTF-8 that knows of every byte whether it is the template's own. `marks` has one byte for each of `bytes`,
// 1 for the template's own; without it `is_trusted` holds for all of them.
class Text {
 public:
  Text() = default;
  Text(std::string_view bytes, bool is_trusted)
      : bytes_(bytes.data()), n_bytes_(static_cast<uint32_t>(bytes.size())), is_trusted_(is_trusted) {}
  Text(std::string_view bytes, const char* marks)
      : bytes_(bytes.data()), marks_(marks), n_bytes_(static_cast<uint32_t>(bytes.size())) {}

  std::string_view bytes() const { return {bytes_, n_bytes_}; }
  size_t size() const { return n_bytes_; }
  bool empty() const { return n_bytes_ == 0; }
  bool is_trusted(size_t at) const { return marks_ == nullptr ? is_trusted_ : marks_[at] != 0; }
  Text part(size_t begin, size_t n_bytes = std::string_view::npos) const {
    Text text = *this;
    const std::string_view bytes = this->bytes().substr(begin, n_bytes);
    text.bytes_ = bytes.data();
    text.n_bytes_ = static_cast<uint32_t>(bytes.size());
    if (marks_ != nullptr) text.marks_ = marks_ + begin;
    return text;
  }

 private:
  const char* bytes_ = nullptr;
  const char* marks_ = nullptr;
  uint32_t n_bytes_ = 0;
  bool is_trusted_ = true;
};

struct List;
struct Dict;
struct Namespace;
struct Callable;
struct Loop;

using Value = std::variant<Undefined, None, bool, int64_t, double, Text, const List*, const Dict*, Namespace*,
                           const Callable*, Loop*>;

enum class ListKind : uint8_t {
  kList,
  kTuple,
  kView,      // dict.items() and its like
  kIterator,  // what lazy filters give in Python: true even when empty
};
struct List {
  std::span<const Value> items;
  ListKind kind = ListKind::kList;
};

// In the order of insertion; `sorted` holds the indices of the entries in the order of their keys.
struct DictEntry {
  Value key;
  Value value;
};
struct Dict {
  std::span<const DictEntry> entries;
  std::span<const uint32_t> sorted;
};

struct Keyword {
  std::string_view name;
  Value value;
};

struct Namespace {
  std::span<Keyword> members;  // with room for more
  size_t n_members = 0;
};

class Sandbox;

// A call of a filter, test, method or function: `self` is what stands before the bar, the `is` or the dot.
struct Call {
  Sandbox& sandbox;
  std::string_view name;
  Value self;
  std::span<const Value> arguments;
  std::span<const Keyword> keywords;
};
using Builtin = Result<Value> (*)(Call& call);

struct Node;
struct Scope;
struct Callable {
  std::string_view name;
  Builtin builtin = nullptr;  // else a macro
  Value self = {};            // of a method
  const Node* macro = nullptr;
  Scope* scope = nullptr;  // where the macro was defined
};

struct Loop {
  std::span<const Value> items;
  size_t index = 0;
  int64_t depth = 1;
  const Value* changed = nullptr;  // what loop.changed() was last given
};

// The name of a value's type in Python: "str", "dict".
const char* type_name(const Value& value);

bool is_true(const Value& value);
inline bool is_undefined(const Value& value) {
  return std::holds_alternative<Undefined>(value);
}
inline bool is_none(const Value& value) {
  return std::holds_alternative<None>(value);
}
inline const Text* as_text(const Value& value) {
  return std::get_if<Text>(&value);
}
inline const List* as_list(const Value& value) {
  const auto* list = std::get_if<const List*>(&value);
  return list == nullptr ? nullptr : *list;
}
inline const Dict* as_dict(const Value& value) {
  const auto* dict = std::get_if<const Dict*>(&value);
  return dict == nullptr ? nullptr : *dict;
}
// An int or a bool, which Python takes for one.
const int64_t* as_int(const Value& value, int64_t& storage);

// Why an undefined value cannot be used.
std::string undefined_message(const Undefined& undefined);

const Value* find(const Dict& dict, const Value& key);
inline const Value* find(const Dict& dict, std::string_view key) {
  return find(dict, Value(Text(key, true)));
}
Value* find(Namespace& space, std::string_view name);

// How keys are sorted in a dictionary: kinds apart, but numbers of equal value the same.
std::weak_ordering compare_keys(const Value& a, const Value& b);

}  // namespace flexinfer::jinja
