// The functions that templates may call.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "text/template/arguments.h"
#include "text/template/builtins.h"
#include "text/template/operators.h"
#include "text/template/print.h"

namespace flexinfer::jinja {
namespace {

constexpr int64_t kLongestRange = 100'000;  // as in Jinja's sandbox
constexpr size_t kLongestTime = 1024;

Result<Value> raise_exception(Call& call) {
  FLEX_TRY(const Arguments arguments, Arguments::bind(call, {"message"}));
  FLEX_TRY(const Value message, arguments.require(0));
  FLEX_TRY(const Text text, to_text(message, call.sandbox));
  return make_error(ErrorCode::kUnsupported, std::string(text.bytes()));
}

// strftime_now("%d %b %Y"): local time.
Result<Value> strftime_now(Call& call) {
  FLEX_TRY(const Arguments arguments, Arguments::bind(call, {"format"}));
  FLEX_TRY(const Value given, arguments.require(0));
  FLEX_TRY(const Text format, to_text(given, call.sandbox));
  if (format.empty()) return Value(format);
  std::array<char, kLongestTime> buffer;
  const std::string zero_ended(format.bytes());
  const size_t n_bytes = std::strftime(buffer.data(), buffer.size(), zero_ended.c_str(), &call.sandbox.now());
  if (n_bytes == 0) return make_error(ErrorCode::kUnsupported, "the time is too long to be written");
  bool is_trusted = true;
  for (size_t at = 0; at < format.size(); ++at)
    is_trusted = is_trusted && format.is_trusted(at);
  return call.sandbox.text({buffer.data(), n_bytes}, is_trusted);
}

Result<Value> range(Call& call) {
  FLEX_TRY(const Arguments arguments, Arguments::bind(call, {"start", "stop", "step"}));
  FLEX_TRY(const Value first, arguments.require(0));
  static_cast<void>(first);
  FLEX_TRY(int64_t begin, arguments.integer(0, 0));
  FLEX_TRY(int64_t end, arguments.integer(1, 0));
  FLEX_TRY(const int64_t step, arguments.integer(2, 1));
  if (arguments.find(1) == nullptr) end = std::exchange(begin, 0);
  if (step == 0) return make_error(ErrorCode::kUnsupported, "the step of a range is zero");
  // In 128 bits nothing overflows.
  const auto span = static_cast<__int128_t>(end) - begin;
  const __int128_t n_items =
      (span > 0) == (step > 0) && span != 0 ? (span - (step > 0 ? 1 : -1)) / step + 1 : 0;
  if (n_items > kLongestRange) {
    return make_error(ErrorCode::kUnsupported,
                      fmt::format("a range has more than {} numbers", kLongestRange));
  }
  FLEX_CHECK(call.sandbox.charge(static_cast<uint64_t>(n_items)));
  FLEX_TRY(const std::span<Value> items, call.sandbox.arena().array<Value>(static_cast<size_t>(n_items)));
  for (size_t i = 0; i < items.size(); ++i)
    items[i] = begin + static_cast<int64_t>(i) * step;
  FLEX_TRY(const List* list, call.sandbox.arena().make(List{items, ListKind::kList}));
  return Value(list);
}

// The entries of a dictionary and what is given by name after it.
Result<std::vector<DictEntry>> entries_of(const Call& call) {
  std::vector<DictEntry> entries;
  if (call.arguments.size() > 1) return make_error(ErrorCode::kUnsupported, "takes one dictionary at most");
  if (!call.arguments.empty()) {
    const Dict* dict = as_dict(call.arguments.front());
    if (dict == nullptr) return make_error(ErrorCode::kUnsupported, "takes a dictionary only");
    entries.assign(dict->entries.begin(), dict->entries.end());
  }
  for (const Keyword& keyword : call.keywords)
    entries.push_back({Text(keyword.name, true), keyword.value});
  return entries;
}

Result<Value> dict(Call& call) {
  FLEX_TRY(std::vector<DictEntry> entries, entries_of(call));
  return call.sandbox.dict(std::move(entries));
}

Result<Value> make_namespace(Call& call) {
  FLEX_TRY(Namespace* const space, call.sandbox.arena().make(Namespace{}));
  FLEX_TRY(const std::vector<DictEntry> entries, entries_of(call));
  for (const DictEntry& entry : entries) {
    const Text* name = as_text(entry.key);
    if (name != nullptr) FLEX_CHECK(call.sandbox.set(*space, name->bytes(), entry.value));
  }
  return Value(space);
}

}  // namespace

Builtin find_function(std::string_view name) {
  if (name == "raise_exception") return raise_exception;
  if (name == "strftime_now") return strftime_now;
  if (name == "range") return range;
  if (name == "dict") return dict;
  if (name == "namespace") return make_namespace;
  return nullptr;
}

}  // namespace flexinfer::jinja
