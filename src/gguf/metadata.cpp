#include "gguf/metadata.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>

#include "gguf/quote.h"

namespace flexinfer {
namespace {

template <class T>
constexpr bool kIsNumber =
    std::is_same_v<T, uint64_t> || std::is_same_v<T, int64_t> || std::is_same_v<T, double>;

// 2^digits: the first number beyond an integer type, exact as a double.
template <class Integer>
double beyond() {
  return std::ldexp(1.0, std::numeric_limits<Integer>::digits);
}

// `value` as another kind of number; nullopt where that would change it.
template <class To, class From>
std::optional<To> exactly(From value) {
  if constexpr (std::is_same_v<To, From>) {
    return value;
  } else if constexpr (std::is_integral_v<To> && std::is_integral_v<From>) {
    if (!std::in_range<To>(value)) return std::nullopt;
    return static_cast<To>(value);
  } else if constexpr (std::is_integral_v<From>) {
    const auto rounded = static_cast<double>(value);
    if (rounded >= beyond<From>() || static_cast<From>(rounded) != value) return std::nullopt;
    return rounded;
  } else {
    const bool in_range =
        value >= static_cast<double>(std::numeric_limits<To>::min()) && value < beyond<To>();
    if (!in_range || std::trunc(value) != value) return std::nullopt;
    return static_cast<To>(value);
  }
}

std::string describe(const MetadataValue& value) {
  return std::visit(
      [](const auto& held) -> std::string {
        using T = std::decay_t<decltype(held)>;
        if constexpr (std::is_same_v<T, bool>) {
          return held ? "true" : "false";
        } else if constexpr (kIsNumber<T>) {
          return fmt::format("{}", held);
        } else if constexpr (std::is_same_v<T, std::string>) {
          return "the text " + quote(held);
        } else if constexpr (std::is_same_v<T, StringList>) {
          return fmt::format("a list of {} texts", held.size());
        } else if constexpr (std::is_same_v<T, NestedArray>) {
          return fmt::format("a list of {} lists", held.n_elements);
        } else {
          return fmt::format("a list of {} numbers", held.size());
        }
      },
      value);
}

tl::unexpected<Error> wrong_kind(std::string_view key, const MetadataValue& value,
                                 std::string_view expected) {
  return make_error(ErrorCode::kCorrupt,
                    fmt::format("metadata key {} holds {}, not {}", quote(key), describe(value), expected));
}

template <class To>
std::optional<To> scalar(const MetadataValue& value) {
  return std::visit(
      [](const auto& held) -> std::optional<To> {
        if constexpr (kIsNumber<std::decay_t<decltype(held)>>) return exactly<To>(held);
        return std::nullopt;
      },
      value);
}

template <class To, class From>
std::optional<std::vector<To>> exactly_all(const std::vector<From>& values) {
  std::vector<To> out;
  out.reserve(values.size());
  for (const From value : values) {
    const std::optional<To> converted = exactly<To>(value);
    if (!converted) return std::nullopt;
    out.push_back(*converted);
  }
  return out;
}

template <class To>
std::optional<std::vector<To>> list(const MetadataValue& value) {
  if (const auto* held = std::get_if<std::vector<uint64_t>>(&value)) return exactly_all<To>(*held);
  if (const auto* held = std::get_if<std::vector<int64_t>>(&value)) return exactly_all<To>(*held);
  if (const auto* held = std::get_if<std::vector<double>>(&value)) return exactly_all<To>(*held);
  return std::nullopt;
}

}  // namespace

void StringList::add(std::string_view text) {
  bytes_.append(text);
  ends_.push_back(bytes_.size());
}

void StringList::reserve(size_t n_strings, size_t n_bytes) {
  ends_.reserve(n_strings);
  bytes_.reserve(n_bytes);
}

void StringList::shrink_to_fit() {
  ends_.shrink_to_fit();
  bytes_.shrink_to_fit();
}

std::string_view StringList::operator[](size_t index) const {
  const uint64_t begin = index == 0 ? 0 : ends_[index - 1];
  return std::string_view(bytes_).substr(begin, ends_[index] - begin);
}

const MetadataValue* Metadata::find(std::string_view key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? nullptr : &found->second;
}

Result<std::optional<uint64_t>> Metadata::unsigned_number(std::string_view key) const {
  const MetadataValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  const std::optional<uint64_t> converted = scalar<uint64_t>(*value);
  if (!converted) return wrong_kind(key, *value, "a whole number from 0");
  return converted;
}

Result<std::optional<double>> Metadata::number(std::string_view key) const {
  const MetadataValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  const std::optional<double> converted = scalar<double>(*value);
  if (!converted) return wrong_kind(key, *value, "a number");
  return converted;
}

Result<std::optional<bool>> Metadata::boolean(std::string_view key) const {
  const MetadataValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  const bool* held = std::get_if<bool>(value);
  if (held == nullptr) return wrong_kind(key, *value, "true or false");
  return *held;
}

Result<const std::string*> Metadata::text(std::string_view key) const {
  const MetadataValue* value = find(key);
  if (value == nullptr) return nullptr;
  const auto* held = std::get_if<std::string>(value);
  if (held == nullptr) return wrong_kind(key, *value, "a text");
  return held;
}

Result<const StringList*> Metadata::texts(std::string_view key) const {
  const MetadataValue* value = find(key);
  if (value == nullptr) return nullptr;
  const auto* held = std::get_if<StringList>(value);
  if (held == nullptr) return wrong_kind(key, *value, "a list of texts");
  return held;
}

Result<std::optional<std::vector<double>>> Metadata::numbers(std::string_view key) const {
  const MetadataValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  std::optional<std::vector<double>> converted = list<double>(*value);
  if (!converted) return wrong_kind(key, *value, "a list of numbers");
  return converted;
}

Result<std::optional<std::vector<int64_t>>> Metadata::integers(std::string_view key) const {
  const MetadataValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  std::optional<std::vector<int64_t>> converted = list<int64_t>(*value);
  if (!converted) return wrong_kind(key, *value, "a list of whole numbers");
  return converted;
}

}  // namespace flexinfer
