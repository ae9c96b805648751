// Text of the command line to values: everything that is not exactly a value of its kind is kUsage.
#pragma once

#include <fmt/format.h>

#include <charconv>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>
#include <vector>

#include "flexinfer/engine.h"
#include "flexinfer/error.h"

namespace flexinfer::cli {

// A whole number or a decimal one, in [min, max].
template <class T>
Result<T> parse_number(std::string_view text, T min, T max) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc{} && end == text.data() + text.size();
  if (whole && value >= min && value <= max) return value;
  const std::string range = max == std::numeric_limits<T>::max() ? fmt::format("of at least {}", min)
                                                                 : fmt::format("from {} to {}", min, max);
  return make_error(ErrorCode::kUsage,
                    fmt::format("'{}' is not a {}number {}", text,
                                std::numeric_limits<T>::is_integer ? "whole " : "", range));
}

// "a,b,c" through `parse_item`; an empty item is for `parse_item` to refuse.
template <class T, class ParseItem>
Result<std::vector<T>> parse_list(std::string_view text, const ParseItem& parse_item) {
  std::vector<T> values;
  for (;;) {
    const size_t comma = text.find(',');
    Result<T> value = parse_item(text.substr(0, comma));
    if (!value) return tl::unexpected(std::move(value.error()));
    values.push_back(*value);
    if (comma == std::string_view::npos) return values;
    text.remove_prefix(comma + 1);
  }
}

// Token ids: "1,15,9".
Result<std::vector<Token>> parse_tokens(std::string_view text);

// A size above zero.
Result<uint64_t> parse_positive_size(std::string_view text);

// A budget: bytes, or a share of a model's weights.
struct BudgetAmount {
  uint64_t bytes = 0;
  double share = 0;  // of the model, where bytes is zero
};
// One budget, or where `last` is set the evenly spaced ones between the two.
struct BudgetItem {
  BudgetAmount first;
  std::optional<BudgetAmount> last;
};

// "1GiB,2GiB", "25%,50%", "10%..100%", and lists of these.
Result<std::vector<BudgetItem>> parse_budgets(std::string_view text);

// In bytes, for a model of that size. A range gives ten budgets, its ends among them.
std::vector<uint64_t> resolve_budgets(const std::vector<BudgetItem>& items, uint64_t model_bytes);

}  // namespace flexinfer::cli
