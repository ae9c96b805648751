#include "text/template/sandbox.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/bytes.h"

namespace flexinfer::jinja {
namespace {

constexpr uint64_t kStepsAtLeast = 4'000'000;
constexpr uint64_t kMemoryAtLeast = 8 * kMiB;
constexpr uint64_t kOutputAtLeast = 2 * kMiB;
constexpr int kDeepest = 400;  // each level takes up to a kilobyte of the stack

// The entry of each key that counts: indices into `entries`, sorted by key.
std::vector<uint32_t> sort_by_key(std::vector<DictEntry>& entries) {
  std::vector<uint32_t> sorted(entries.size());
  std::iota(sorted.begin(), sorted.end(), 0U);
  std::ranges::stable_sort(
      sorted, [&](uint32_t a, uint32_t b) { return compare_keys(entries[a].key, entries[b].key) < 0; });
  return sorted;
}

// Leaves of equal keys the first, with the value of the last.
std::vector<DictEntry> without_repeated_keys(std::vector<DictEntry> entries) {
  const std::vector<uint32_t> sorted = sort_by_key(entries);
  std::vector<bool> is_repeated(entries.size(), false);
  for (size_t i = 0, first = 0; i < sorted.size(); ++i) {
    if (i == first) continue;
    if (compare_keys(entries[sorted[first]].key, entries[sorted[i]].key) != 0) {
      first = i;
      continue;
    }
    is_repeated[sorted[i]] = true;
    entries[sorted[first]].value = entries[sorted[i]].value;
  }
  std::vector<DictEntry> kept;
  for (size_t i = 0; i < entries.size(); ++i) {
    if (!is_repeated[i]) kept.push_back(entries[i]);
  }
  return kept;
}

}  // namespace

Limits limits_for(uint64_t data_bytes) {
  return {.memory_bytes = kMemoryAtLeast + 16 * data_bytes,
          .output_bytes = kOutputAtLeast + 8 * data_bytes,
          .steps = kStepsAtLeast + 16 * data_bytes};
}

Status Sandbox::charge(uint64_t n_steps) {
  if (n_steps > steps_left_) {
    steps_left_ = 0;
    return make_error(ErrorCode::kUnsupported, "takes more steps than a template may");
  }
  steps_left_ -= n_steps;
  return {};
}

Status Sandbox::Level::check() const {
  if (sandbox_.depth_ <= kDeepest) return {};
  return make_error(ErrorCode::kUnsupported,
                    fmt::format("is nested more than {} levels deep when it runs", kDeepest));
}

Result<Value> Sandbox::list(std::span<const Value> items, ListKind kind) {
  FLEX_CHECK(charge(items.size() / 8));
  FLEX_TRY(const std::span<Value> copied, arena_.copy(items));
  FLEX_TRY(const List* list, arena_.make(List{copied, kind}));
  return Value(list);
}

Result<Value> Sandbox::dict(std::vector<DictEntry> entries) {
  FLEX_CHECK(charge(entries.size()));
  std::vector<uint32_t> sorted = sort_by_key(entries);
  const auto is_repeated = [&](uint32_t a, uint32_t b) {
    return compare_keys(entries[a].key, entries[b].key) == 0;
  };
  if (std::ranges::adjacent_find(sorted, is_repeated) != sorted.end()) {
    entries = without_repeated_keys(std::move(entries));
    sorted = sort_by_key(entries);
  }
  Dict dict;
  FLEX_TRY(dict.entries, arena_.copy(std::span<const DictEntry>(entries)));
  FLEX_TRY(dict.sorted, arena_.copy(std::span<const uint32_t>(sorted)));
  FLEX_TRY(const Dict* made, arena_.make(dict));
  return Value(made);
}

Result<Value> Sandbox::text(std::string_view bytes, bool is_trusted) {
  FLEX_CHECK(charge_bytes(bytes.size()));
  FLEX_TRY(const std::string_view copied, arena_.copy(bytes));
  return Value(Text(copied, is_trusted));
}

Result<Value> Sandbox::method(std::string_view name, Builtin builtin, const Value& self) {
  FLEX_TRY(const Callable* callable, arena_.make(Callable{.name = name, .builtin = builtin, .self = self}));
  return Value(callable);
}

Status Sandbox::set(Namespace& space, std::string_view name, const Value& value) {
  FLEX_CHECK(charge(1 + space.n_members / 8));
  if (Value* member = find(space, name)) {
    *member = value;
    return {};
  }
  if (space.n_members == space.members.size()) {
    FLEX_TRY(const std::span<Keyword> larger, arena_.array<Keyword>(2 * space.n_members + 4));
    std::ranges::copy(space.members.first(space.n_members), larger.begin());
    space.members = larger;
  }
  space.members[space.n_members++] = {name, value};
  return {};
}

void TextBuilder::append(std::string_view bytes, bool is_trusted) {
  if (bytes.empty()) return;
  is_full_ = is_full_ || bytes.size() + bytes_.size() + runs_.size() * sizeof(Run) > limit_bytes_;
  if (is_full_) return;
  bytes_.append(bytes);
  if (!runs_.empty() && runs_.back().is_trusted == is_trusted) {
    runs_.back().end = bytes_.size();
  } else {
    runs_.push_back({bytes_.size(), is_trusted});
  }
}

void TextBuilder::append(const Text& text) {
  for (size_t begin = 0; begin < text.size();) {
    size_t end = begin + 1;
    while (end < text.size() && text.is_trusted(end) == text.is_trusted(begin))
      ++end;
    append(text.bytes().substr(begin, end - begin), text.is_trusted(begin));
    begin = end;
  }
}

Result<Text> TextBuilder::finish(Sandbox& sandbox) const {
  if (is_full_) {
    return make_error(ErrorCode::kUnsupported,
                      fmt::format("makes a text of more than {}", format_bytes(limit_bytes_)));
  }
  FLEX_CHECK(sandbox.charge_bytes(bytes_.size()));
  FLEX_TRY(const std::string_view bytes, sandbox.arena().copy(std::string_view(bytes_)));
  if (runs_.size() <= 1) return Text(bytes, runs_.empty() || runs_.front().is_trusted);
  FLEX_TRY(const std::span<char> marks, sandbox.arena().array<char>(bytes.size()));
  size_t begin = 0;
  for (const Run& run : runs_) {
    std::fill(marks.begin() + static_cast<ptrdiff_t>(begin), marks.begin() + static_cast<ptrdiff_t>(run.end),
              run.is_trusted ? 1 : 0);
    begin = run.end;
  }
  return Text(bytes, marks.data());
}

}  // namespace flexinfer::jinja
