#include "parse.h"

#include <cmath>

#include "flexinfer/options.h"

namespace flexinfer::cli {
namespace {

constexpr int kRangeBudgets = 10;

Result<BudgetAmount> parse_amount(std::string_view text) {
  if (text.ends_with('%')) {
    const auto percent = parse_number<double>(text.substr(0, text.size() - 1), 0.001, 1e6);
    if (!percent) return tl::unexpected(percent.error());
    return BudgetAmount{.share = *percent / 100};
  }
  const auto bytes = parse_positive_size(text);
  if (!bytes) return tl::unexpected(bytes.error());
  return BudgetAmount{.bytes = *bytes};
}

Result<BudgetItem> parse_budget_item(std::string_view text) {
  const size_t dots = text.find("..");
  const auto first = parse_amount(text.substr(0, dots));
  if (!first) return tl::unexpected(first.error());
  if (dots == std::string_view::npos) return BudgetItem{.first = *first, .last = {}};
  const auto last = parse_amount(text.substr(dots + 2));
  if (!last) return tl::unexpected(last.error());
  return BudgetItem{.first = *first, .last = *last};
}

uint64_t resolve(const BudgetAmount& amount, uint64_t model_bytes) {
  if (amount.bytes > 0) return amount.bytes;
  return static_cast<uint64_t>(std::llround(amount.share * static_cast<double>(model_bytes)));
}

}  // namespace

Result<std::vector<Token>> parse_tokens(std::string_view text) {
  return parse_list<Token>(text, [](std::string_view item) {
    return parse_number<Token>(item, 0, std::numeric_limits<Token>::max());
  });
}

Result<uint64_t> parse_positive_size(std::string_view text) {
  Result<uint64_t> size = parse_size(text);
  if (size && *size == 0) return make_error(ErrorCode::kUsage, "a size of zero is of no use here");
  return size;
}

Result<std::vector<BudgetItem>> parse_budgets(std::string_view text) {
  return parse_list<BudgetItem>(text, parse_budget_item);
}

std::vector<uint64_t> resolve_budgets(const std::vector<BudgetItem>& items, uint64_t model_bytes) {
  std::vector<uint64_t> budgets;
  for (const BudgetItem& item : items) {
    const uint64_t first = resolve(item.first, model_bytes);
    if (!item.last) {
      budgets.push_back(first);
      continue;
    }
    const double span = static_cast<double>(resolve(*item.last, model_bytes)) - static_cast<double>(first);
    for (int i = 0; i < kRangeBudgets; ++i) {
      budgets.push_back(first + static_cast<uint64_t>(std::llround(span * i / (kRangeBudgets - 1))));
    }
  }
  return budgets;
}

}  // namespace flexinfer::cli
