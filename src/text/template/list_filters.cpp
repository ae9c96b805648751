// The filters of lists.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "text/template/arguments.h"
#include "text/template/builtins.h"
#include "text/template/filters.h"
#include "text/template/literals.h"
#include "text/template/operators.h"
#include "text/template/print.h"
#include "text/template/text_functions.h"

namespace flexinfer::jinja {
namespace {

// "a.b.0": the attribute of an attribute; whole numbers are indices. None: the value itself.
Result<Value> attribute_path(const Value& value, const Value& path, Sandbox& sandbox) {
  if (is_none(path)) return value;
  if (as_text(path) == nullptr) return subscript(value, path, sandbox);
  Value found = value;
  for (std::string_view rest = as_text(path)->bytes(); !rest.empty();) {
    const std::string_view name = rest.substr(0, rest.find('.'));
    rest.remove_prefix(std::min(name.size() + 1, rest.size()));
    const auto index = parse_int(name);
    const Value key = index ? Value(*index) : Value(Text(name, true));
    FLEX_TRY(found, subscript(found, key, sandbox));
  }
  return found;
}

// What a text is compared by where case does not count.
Result<Value> sort_key(const Value& value, bool case_sensitive, Sandbox& sandbox) {
  if (case_sensitive || as_text(value) == nullptr) return value;
  FLEX_TRY(const Text lower, in_case(*as_text(value), false, sandbox));
  return Value(lower);
}

// Sorts items by their keys, the first ones first where they are equal.
class Sorter {
 public:
  struct Item {
    Value key;
    Value value;
  };

  explicit Sorter(Sandbox& sandbox) : sandbox_(sandbox) {}

  Status sort(std::vector<Item>& items, bool reverse) {
    std::vector<Item> merged(items.size());
    for (size_t width = 1; width < items.size(); width *= 2) {
      for (size_t begin = 0; begin < items.size(); begin += 2 * width) {
        const size_t middle = std::min(begin + width, items.size());
        const size_t end = std::min(begin + 2 * width, items.size());
        FLEX_CHECK(merge(std::span(items).subspan(begin, middle - begin),
                         std::span(items).subspan(middle, end - middle), reverse,
                         merged.begin() + static_cast<ptrdiff_t>(begin)));
      }
      std::swap(items, merged);
    }
    return {};
  }

 private:
  Status merge(std::span<const Item> left, std::span<const Item> right, bool reverse,
               std::vector<Item>::iterator out) {
    while (!left.empty() && !right.empty()) {
      FLEX_TRY(const std::partial_ordering ordering, order(right.front().key, left.front().key, sandbox_));
      std::span<const Item>& taken = (reverse ? ordering > 0 : ordering < 0) ? right : left;
      *out++ = taken.front();
      taken = taken.subspan(1);
    }
    out = std::ranges::copy(left, out).out;
    std::ranges::copy(right, out);
    return {};
  }

  Sandbox& sandbox_;
};

// The items of `call`, each with the key it is sorted by.
Result<std::vector<Sorter::Item>> with_keys(const Call& call, const Value& path, bool case_sensitive) {
  FLEX_TRY(const std::span<const Value> values, self_items(call));
  std::vector<Sorter::Item> items;
  for (const Value& value : values) {
    FLEX_TRY(const Value at_path, attribute_path(value, path, call.sandbox));
    FLEX_TRY(const Value key, sort_key(at_path, case_sensitive, call.sandbox));
    items.push_back({key, value});
  }
  return items;
}

Result<Value> values_of(const std::vector<Sorter::Item>& items, Sandbox& sandbox) {
  std::vector<Value> values;
  for (const Sorter::Item& item : items)
    values.push_back(item.value);
  return sandbox.list(values);
}

Result<Value> sort(Call& call) {
  FLEX_TRY(const Arguments arguments, Arguments::bind(call, {"reverse", "case_sensitive", "attribute"}));
  FLEX_TRY(const bool reverse, arguments.boolean(0, false));
  FLEX_TRY(const bool case_sensitive, arguments.boolean(1, false));
  FLEX_TRY(std::vector<Sorter::Item> items, with_keys(call, arguments.get(2, None{}), case_sensitive));
  FLEX_CHECK(Sorter(call.sandbox).sort(items, reverse));
  return values_of(items, call.sandbox);
}

Result<Value> dictsort(Call& call) {
  FLEX_TRY(const Arguments arguments, Arguments::bind(call, {"case_sensitive", "by", "reverse"}));
  FLEX_TRY(const bool case_sensitive, arguments.boolean(0, false));
  FLEX_TRY(const Text by, arguments.text(1, Text("key", true)));
  FLEX_TRY(const bool reverse, arguments.boolean(2, false));
  const Dict* dict = as_dict(call.self);
  if (dict == nullptr) return make_error(ErrorCode::kUnsupported, "takes a dictionary");
  std::vector<Sorter::Item> items;
  for (const DictEntry& entry : dict->entries) {
    FLEX_TRY(const Value key,
             sort_key(by.bytes() == "key" ? entry.key : entry.value, case_sensitive, call.sandbox));
    FLEX_TRY(const Value pair, call.sandbox.tuple({entry.key, entry.value}));
    items.push_back({key, pair});
  }
  FLEX_CHECK(Sorter(call.sandbox).sort(items, reverse));
  return values_of(items, call.sandbox);
}

template <bool kLargest>
Result<Value> extreme(Call& call) {
  FLEX_TRY(const Arguments arguments, Arguments::bind(call, {"case_sensitive", "attribute"}));
  FLEX_TRY(const bool case_sensitive, arguments.boolean(0, false));
  FLEX_TRY(const std::vector<Sorter::Item> items, with_keys(call, arguments.get(1, None{}), case_sensitive));
  if (items.empty()) return Value(Undefined{.name = "item of an empty list"});
  const Sorter::Item* best = &items.front();
  for (const Sorter::Item& item : items) {
    FLEX_TRY(const std::partial_ordering ordering, order(item.key, best->key, call.sandbox));
    if (kLargest ? ordering > 0 : ordering < 0) best = &item;
  }
  return best->value;
}

Result<Value> unique(Call& call) {
  FLEX_TRY(const Arguments arguments, Arguments::bind(call, {"case_sensitive", "attribute"}));
  FLEX_TRY(const bool case_sensitive, arguments.boolean(0, false));
  FLEX_TRY(const std::vector<Sorter::Item> items, with_keys(call, arguments.get(1, None{}), case_sensitive));
  std::vector<Value> keys;
  std::vector<Value> values;
  for (const Sorter::Item& item : items) {
    bool is_known = false;
    for (size_t i = 0; i < keys.size() && !is_known; ++i) {
      FLEX_TRY(is_known, equal(keys[i], item.key, call.sandbox));
    }
    if (is_known) continue;
    keys.push_back(item.key);
    values.push_back(item.value);
  }
  return call.sandbox.list(values, ListKind::kIterator);
}

Result<Value> groupby(Call& call) {
  FLEX_TRY(const Arguments arguments, Arguments::bind(call, {"attribute", "default", "case_sensitive"}));
  FLEX_TRY(const Value path, arguments.require(0));
  FLEX_TRY(std::vector<Sorter::Item> items, with_keys(call, path, true));
  for (Sorter::Item& item : items)
    if (is_undefined(item.key)) item.key = arguments.get(1, item.key);
  FLEX_CHECK(Sorter(call.sandbox).sort(items, false));
  std::vector<Value> groups;
  std::vector<Value> group;
  for (size_t i = 0; i < items.size(); ++i) {
    group.push_back(items[i].value);
    bool goes_on = false;
    if (i + 1 < items.size()) {
      FLEX_TRY(goes_on, equal(items[i].key, items[i + 1].key, call.sandbox));
    }
    if (goes_on) continue;
    FLEX_TRY(const Value list, call.sandbox.list(group));
    FLEX_TRY(const Value pair, call.sandbox.tuple({items[i].key, list}));
    groups.push_back(pair);
    group.clear();
  }
  return call.sandbox.list(groups);
}

Result<Value> first(Call& call) {
  FLEX_TRY(const std::span<const Value> items, self_items(call));
  return items.empty() ? Value(Undefined{.name = "first item of an empty list"}) : items.front();
}

Result<Value> last(Call& call) {
  FLEX_TRY(const std::span<const Value> items, self_items(call));
  return items.empty() ? Value(Undefined{.name = "last item of an empty list"}) : items.back();
}

Result<Value> to_list(Call& call) {
  FLEX_TRY(const std::span<const Value> items, self_items(call));
  return call.sandbox.list(items);
}

Result<Value> reverse(Call& call) {
  const Value step = int64_t{-1};
  if (as_text(call.self) != nullptr) return slice(call.self, {.step = &step}, call.sandbox);
  FLEX_TRY(const std::span<const Value> items, self_items(call));
  const std::vector<Value> reversed(items.rbegin(), items.rend());
  return call.sandbox.list(reversed, ListKind::kIterator);
}

Result<Value> join_filter(Call& call) {
  FLEX_TRY(const Arguments arguments, Arguments::bind(call, {"d", "attribute"}));
  FLEX_TRY(const std::span<const Value> items, self_items(call));
  FLEX_TRY(const Text separator, to_text(arguments.get(0, Text("", true)), call.sandbox));
  std::vector<Value> values;
  for (const Value& item : items) {
    FLEX_TRY(const Value value, attribute_path(item, arguments.get(1, None{}), call.sandbox));
    values.push_back(value);
  }
  return join(values, separator, call.sandbox).map([](const Text& text) { return Value(text); });
}

Result<Value> sum(Call& call) {
  FLEX_TRY(const Arguments arguments, Arguments::bind(call, {"attribute", "start"}));
  FLEX_TRY(const std::span<const Value> items, self_items(call));
  Value total = arguments.get(1, int64_t{0});
  for (const Value& item : items) {
    FLEX_TRY(const Value value, attribute_path(item, arguments.get(0, None{}), call.sandbox));
    FLEX_TRY(total, calculate(Operator::kAdd, total, value, call.sandbox));
  }
  return total;
}

Result<Value> items_filter(Call& call) {
  if (is_undefined(call.self)) return call.sandbox.list({}, ListKind::kIterator);
  if (as_dict(call.self) == nullptr) return make_error(ErrorCode::kUnsupported, "takes a dictionary");
  Call method{call.sandbox, "items", call.self, {}, {}};
  return find_method(call.self, "items")(method);
}

// map(attribute="name", default=...), or map("filter", arguments ...).
Result<Value> map(Call& call) {
  FLEX_TRY(const std::span<const Value> items, self_items(call));
  const auto named = [&](std::string_view name) -> const Value* {
    const auto found = std::ranges::find(call.keywords, name, &Keyword::name);
    return found == call.keywords.end() ? nullptr : &found->value;
  };
  std::vector<Value> mapped;
  const Value* path = call.arguments.empty() ? named("attribute") : nullptr;
  const Text* name = call.arguments.empty() ? nullptr : as_text(call.arguments.front());
  const Builtin filter = name == nullptr ? nullptr : find_filter(name->bytes());
  if (path == nullptr && filter == nullptr)
    return make_error(ErrorCode::kUnsupported, "needs a filter or attribute");
  for (const Value& item : items) {
    FLEX_CHECK(call.sandbox.charge(1));
    Value value;
    if (path != nullptr) {
      FLEX_TRY(value, attribute_path(item, *path, call.sandbox));
      if (const Value* otherwise = named("default"); otherwise != nullptr && is_undefined(value))
        value = *otherwise;
    } else {
      Call inner{call.sandbox, name->bytes(), item, call.arguments.subspan(1), call.keywords};
      FLEX_TRY(value, filter(inner));
    }
    mapped.push_back(value);
  }
  return call.sandbox.list(mapped, ListKind::kIterator);
}

// select("test", arguments ...), and selectattr("attribute", "test", arguments ...); without a test, what is
// true.
template <bool kByAttribute, bool kWanted>
Result<Value> select(Call& call) {
  FLEX_TRY(const std::span<const Value> items, self_items(call));
  std::span<const Value> arguments = call.arguments;
  Value path = None{};
  if (kByAttribute) {
    if (arguments.empty()) return make_error(ErrorCode::kUnsupported, "needs the name of an attribute");
    path = arguments.front();
    arguments = arguments.subspan(1);
  }
  const Text* name = arguments.empty() ? nullptr : as_text(arguments.front());
  const Builtin test = name == nullptr ? nullptr : find_test(name->bytes());
  if (!arguments.empty() && test == nullptr)
    return make_error(ErrorCode::kUnsupported, "there is no such test");
  std::vector<Value> kept;
  for (const Value& item : items) {
    FLEX_CHECK(call.sandbox.charge(1));
    FLEX_TRY(Value value, attribute_path(item, path, call.sandbox));
    if (test != nullptr) {
      Call inner{call.sandbox, name->bytes(), value, arguments.subspan(1), {}};
      FLEX_TRY(value, test(inner));
    }
    if (is_true(value) == kWanted) kept.push_back(item);
  }
  return call.sandbox.list(kept, ListKind::kIterator);
}

// batch(3): lists of three, the last filled up where something is given to fill it with.
Result<Value> batch(Call& call) {
  FLEX_TRY(const Arguments arguments, Arguments::bind(call, {"linecount", "fill_with"}));
  FLEX_TRY(const int64_t size, arguments.integer(0, 0));
  FLEX_TRY(std::span<const Value> items, self_items(call));
  if (size < 1) return make_error(ErrorCode::kUnsupported, "the size of a batch is not positive");
  std::vector<Value> batches;
  while (!items.empty()) {
    const std::span<const Value> part = items.first(std::min(items.size(), static_cast<size_t>(size)));
    items = items.subspan(part.size());
    std::vector<Value> padded(part.begin(), part.end());
    const Value* fill = arguments.find(1);
    while (fill != nullptr && !is_none(*fill) && padded.size() < static_cast<size_t>(size)) {
      FLEX_CHECK(call.sandbox.charge(1));
      padded.push_back(*fill);
    }
    FLEX_TRY(const Value list, call.sandbox.list(padded));
    batches.push_back(list);
  }
  return call.sandbox.list(batches, ListKind::kIterator);
}

struct Row {
  std::string_view name;
  Builtin builtin;
};
constexpr auto kFilters = std::to_array<Row>({
    {"sort", sort},
    {"dictsort", dictsort},
    {"min", extreme<false>},
    {"max", extreme<true>},
    {"unique", unique},
    {"groupby", groupby},
    {"first", first},
    {"last", last},
    {"list", to_list},
    {"reverse", reverse},
    {"join", join_filter},
    {"sum", sum},
    {"items", items_filter},
    {"map", map},
    {"select", select<false, true>},
    {"reject", select<false, false>},
    {"selectattr", select<true, true>},
    {"rejectattr", select<true, false>},
    {"batch", batch},
});

}  // namespace

Builtin find_list_filter(std::string_view name) {
  const auto row = std::ranges::find(kFilters, name, &Row::name);
  return row == kFilters.end() ? nullptr : row->builtin;
}

}  // namespace flexinfer::jinja
