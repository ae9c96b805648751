#include "text/template/operators.h"

#include <fmt/format.h>

#include <cmath>
#include <optional>

#include "text/template/characters.h"

namespace flexinfer::jinja {
namespace {

std::optional<double> as_double(const Value& value) {
  int64_t storage = 0;
  if (const int64_t* integer = as_int(value, storage)) return static_cast<double>(*integer);
  const auto* number = std::get_if<double>(&value);
  return number == nullptr ? std::nullopt : std::optional(*number);
}

tl::unexpected<Error> overflow() {
  return make_error(ErrorCode::kUnsupported, "a whole number becomes too large");
}

tl::unexpected<Error> division_by_zero() {
  return make_error(ErrorCode::kUnsupported, "division by zero");
}

Result<bool> equal_lists(const List& a, const List& b, Sandbox& sandbox) {
  if (a.items.size() != b.items.size() || a.kind != b.kind) return false;
  for (size_t i = 0; i < a.items.size(); ++i) {
    FLEX_TRY(const bool same, equal(a.items[i], b.items[i], sandbox));
    if (!same) return false;
  }
  return true;
}

Result<bool> equal_dicts(const Dict& a, const Dict& b, Sandbox& sandbox) {
  if (a.entries.size() != b.entries.size()) return false;
  for (const DictEntry& entry : a.entries) {
    const Value* other = find(b, entry.key);
    if (other == nullptr) return false;
    FLEX_TRY(const bool same, equal(entry.value, *other, sandbox));
    if (!same) return false;
  }
  return true;
}

Result<std::partial_ordering> order_lists(const List& a, const List& b, Sandbox& sandbox) {
  for (size_t i = 0; i < std::min(a.items.size(), b.items.size()); ++i) {
    FLEX_TRY(const bool same, equal(a.items[i], b.items[i], sandbox));
    if (!same) return order(a.items[i], b.items[i], sandbox);
  }
  return a.items.size() <=> b.items.size();
}

Result<Value> power(int64_t base, int64_t exponent) {
  if (exponent < 0) return Value(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  int64_t result = 1;
  for (; exponent > 0; exponent >>= 1) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) return overflow();
    if (exponent > 1 && __builtin_mul_overflow(base, base, &base)) return overflow();
  }
  return Value(result);
}

// Python rounds towards minus infinity.
Result<Value> floor_divide(int64_t a, int64_t b, bool wants_remainder) {
  if (b == 0) return division_by_zero();
  if (b == -1 && a == std::numeric_limits<int64_t>::min()) return overflow();
  const int64_t quotient = a / b - ((a % b != 0 && (a % b < 0) != (b < 0)) ? 1 : 0);
  return Value(wants_remainder ? a - quotient * b : quotient);
}

Result<Value> calculate_integers(Operator op, int64_t a, int64_t b) {
  int64_t result = 0;
  switch (op) {
    case Operator::kAdd:
      return __builtin_add_overflow(a, b, &result) ? Result<Value>(overflow()) : Value(result);
    case Operator::kSubtract:
      return __builtin_sub_overflow(a, b, &result) ? Result<Value>(overflow()) : Value(result);
    case Operator::kMultiply:
      return __builtin_mul_overflow(a, b, &result) ? Result<Value>(overflow()) : Value(result);
    case Operator::kDivide:
      if (b == 0) return division_by_zero();
      return Value(static_cast<double>(a) / static_cast<double>(b));
    case Operator::kFloorDivide:
      return floor_divide(a, b, false);
    case Operator::kModulo:
      return floor_divide(a, b, true);
    default:
      return power(a, b);
  }
}

Result<Value> calculate_doubles(Operator op, double a, double b) {
  const bool divides = op == Operator::kDivide || op == Operator::kFloorDivide || op == Operator::kModulo;
  if (divides && b == 0) return division_by_zero();
  switch (op) {
    case Operator::kAdd:
      return Value(a + b);
    case Operator::kSubtract:
      return Value(a - b);
    case Operator::kMultiply:
      return Value(a * b);
    case Operator::kDivide:
      return Value(a / b);
    case Operator::kFloorDivide:
      return Value(std::floor(a / b));
    case Operator::kModulo: {
      const double remainder = std::fmod(a, b);
      return Value(remainder != 0 && (remainder < 0) != (b < 0) ? remainder + b : remainder);
    }
    default:
      return Value(std::pow(a, b));
  }
}

Result<Value> join_texts(const Text& a, const Text& b, Sandbox& sandbox) {
  FLEX_CHECK(sandbox.charge_bytes(a.size() + b.size()));
  TextBuilder out(sandbox);
  out.append(a);
  out.append(b);
  FLEX_TRY(const Text joined, out.finish(sandbox));
  return Value(joined);
}

Result<Value> join_lists(const List& a, const List& b, Sandbox& sandbox) {
  FLEX_CHECK(sandbox.charge(a.items.size() + b.items.size()));
  FLEX_TRY(const std::span<Value> items, sandbox.arena().array<Value>(a.items.size() + b.items.size()));
  std::ranges::copy(a.items, items.begin());
  std::ranges::copy(b.items, items.begin() + static_cast<ptrdiff_t>(a.items.size()));
  FLEX_TRY(const List* joined, sandbox.arena().make(List{items, a.kind}));
  return Value(joined);
}

Result<Value> repeat_text(const Text& text, int64_t n, Sandbox& sandbox) {
  TextBuilder out(sandbox);
  for (; n > 0 && !text.empty() && !out.is_full(); --n) {
    FLEX_CHECK(sandbox.charge_bytes(text.size()));
    out.append(text);
  }
  FLEX_TRY(const Text repeated, out.finish(sandbox));
  return Value(repeated);
}

Result<Value> repeat_list(const List& list, int64_t n, Sandbox& sandbox) {
  std::vector<Value> items;
  for (; n > 0 && !list.items.empty(); --n) {
    FLEX_CHECK(sandbox.charge(1 + list.items.size()));
    if ((items.size() + list.items.size()) * sizeof(Value) > sandbox.arena().left_bytes()) {
      return make_error(ErrorCode::kUnsupported, "makes a list that is too long");
    }
    items.insert(items.end(), list.items.begin(), list.items.end());
  }
  return sandbox.list(items, list.kind);
}

// nullopt where neither is a sequence or they do not go together.
Result<std::optional<Value>> calculate_sequences(Operator op, const Value& a, const Value& b,
                                                 Sandbox& sandbox) {
  int64_t storage = 0;
  const auto some = [](const Value& value) { return std::optional(value); };
  if (op == Operator::kAdd && as_text(a) != nullptr && as_text(b) != nullptr) {
    return join_texts(*as_text(a), *as_text(b), sandbox).map(some);
  }
  if (op == Operator::kAdd && as_list(a) != nullptr && as_list(b) != nullptr &&
      as_list(a)->kind == as_list(b)->kind) {
    return join_lists(*as_list(a), *as_list(b), sandbox).map(some);
  }
  if (op == Operator::kMultiply) {
    const bool is_first = as_int(b, storage) != nullptr;
    const int64_t* n = is_first ? &storage : as_int(a, storage);
    if (is_first) n = as_int(b, storage);
    const Value& repeated = is_first ? a : b;
    if (n == nullptr) return std::nullopt;
    if (const Text* text = as_text(repeated)) return repeat_text(*text, *n, sandbox).map(some);
    if (const List* list = as_list(repeated)) return repeat_list(*list, *n, sandbox).map(some);
  }
  if (op == Operator::kModulo && as_text(a) != nullptr) {
    const List* list = as_list(b);
    const bool is_tuple = list != nullptr && list->kind == ListKind::kTuple;
    const std::span<const Value> arguments = is_tuple ? list->items : std::span(&b, 1);
    return format_percent(*as_text(a), arguments, sandbox).map(some);
  }
  return std::nullopt;
}

}  // namespace

tl::unexpected<Error> type_error(std::string_view message, const Value& a, const Value& b) {
  return make_error(ErrorCode::kUnsupported,
                    fmt::format("{} ({} and {})", message, type_name(a), type_name(b)));
}

Status require_defined(const Value& value) {
  const auto* undefined = std::get_if<Undefined>(&value);
  if (undefined == nullptr) return {};
  return make_error(ErrorCode::kUnsupported, undefined_message(*undefined));
}

Result<bool> equal(const Value& a, const Value& b, Sandbox& sandbox) {
  const Sandbox::Level level(sandbox);
  FLEX_CHECK(level.check());
  FLEX_CHECK(sandbox.charge(1));
  int64_t storage_a = 0;
  int64_t storage_b = 0;
  const int64_t* integer_a = as_int(a, storage_a);
  const int64_t* integer_b = as_int(b, storage_b);
  if (integer_a != nullptr && integer_b != nullptr) return *integer_a == *integer_b;
  const auto number_a = as_double(a);
  const auto number_b = as_double(b);
  if (number_a && number_b) return *number_a == *number_b;
  if (a.index() != b.index()) return false;
  if (const Text* text = as_text(a)) {
    FLEX_CHECK(sandbox.charge_bytes(std::min(text->size(), as_text(b)->size())));
    return text->bytes() == as_text(b)->bytes();
  }
  if (as_list(a) != nullptr) return equal_lists(*as_list(a), *as_list(b), sandbox);
  if (as_dict(a) != nullptr) return equal_dicts(*as_dict(a), *as_dict(b), sandbox);
  if (const auto* space = std::get_if<Namespace*>(&a)) return *space == std::get<Namespace*>(b);
  if (const auto* function = std::get_if<const Callable*>(&a))
    return *function == std::get<const Callable*>(b);
  return true;  // both undefined, both none
}

Result<std::partial_ordering> order(const Value& a, const Value& b, Sandbox& sandbox) {
  const Sandbox::Level level(sandbox);
  FLEX_CHECK(level.check());
  FLEX_CHECK(require_defined(a));
  FLEX_CHECK(require_defined(b));
  FLEX_CHECK(sandbox.charge(1));
  int64_t storage_a = 0;
  int64_t storage_b = 0;
  const int64_t* integer_a = as_int(a, storage_a);
  const int64_t* integer_b = as_int(b, storage_b);
  if (integer_a != nullptr && integer_b != nullptr) return *integer_a <=> *integer_b;
  const auto number_a = as_double(a);
  const auto number_b = as_double(b);
  if (number_a && number_b) return *number_a <=> *number_b;
  if (as_text(a) != nullptr && as_text(b) != nullptr) {
    FLEX_CHECK(sandbox.charge_bytes(std::min(as_text(a)->size(), as_text(b)->size())));
    return as_text(a)->bytes() <=> as_text(b)->bytes();
  }
  if (as_list(a) != nullptr && as_list(b) != nullptr) return order_lists(*as_list(a), *as_list(b), sandbox);
  return type_error("these cannot be ordered", a, b);
}

Result<bool> contains(const Value& container, const Value& item, Sandbox& sandbox) {
  if (const Text* text = as_text(container)) {
    const Text* wanted = as_text(item);
    if (wanted == nullptr) return type_error("only a string can be in a string", container, item);
    FLEX_CHECK(sandbox.charge_bytes(text->size() + wanted->size()));
    return find_bytes(text->bytes(), wanted->bytes()) != std::string_view::npos;
  }
  if (const Dict* dict = as_dict(container)) {
    FLEX_CHECK(sandbox.charge(1));
    return find(*dict, item) != nullptr;
  }
  FLEX_TRY(const std::span<const Value> items, iterate(container, sandbox));
  for (const Value& candidate : items) {
    FLEX_TRY(const bool same, equal(candidate, item, sandbox));
    if (same) return true;
  }
  return false;
}

Result<bool> compare(Operator op, const Value& a, const Value& b, Sandbox& sandbox) {
  if (op == Operator::kIn) return contains(b, a, sandbox);
  if (op == Operator::kNotIn) return contains(b, a, sandbox).map(std::logical_not<>());
  if (op == Operator::kEqual) return equal(a, b, sandbox);
  if (op == Operator::kNotEqual) return equal(a, b, sandbox).map(std::logical_not<>());
  FLEX_TRY(const std::partial_ordering ordering, order(a, b, sandbox));
  switch (op) {
    case Operator::kLess:
      return ordering < 0;
    case Operator::kLessEqual:
      return ordering <= 0;
    case Operator::kGreater:
      return ordering > 0;
    default:
      return ordering >= 0;
  }
}

Result<Value> calculate(Operator op, const Value& a, const Value& b, Sandbox& sandbox) {
  FLEX_CHECK(require_defined(a));
  if (op != Operator::kModulo) FLEX_CHECK(require_defined(b));
  int64_t storage_a = 0;
  int64_t storage_b = 0;
  const int64_t* integer_a = as_int(a, storage_a);
  const int64_t* integer_b = as_int(b, storage_b);
  if (integer_a != nullptr && integer_b != nullptr) return calculate_integers(op, *integer_a, *integer_b);
  const auto number_a = as_double(a);
  const auto number_b = as_double(b);
  if (number_a && number_b) return calculate_doubles(op, *number_a, *number_b);
  FLEX_TRY(const std::optional<Value> result, calculate_sequences(op, a, b, sandbox));
  if (result) return *result;
  constexpr const char* kSigns[] = {"+", "-", "*", "/", "//", "%", "**"};
  return type_error(fmt::format("'{}' does not go with these", kSigns[static_cast<size_t>(op)]), a, b);
}

Result<Value> negative(const Value& value) {
  FLEX_CHECK(require_defined(value));
  int64_t storage = 0;
  if (const int64_t* integer = as_int(value, storage))
    return calculate_integers(Operator::kSubtract, 0, *integer);
  if (const auto* number = std::get_if<double>(&value)) return Value(-*number);
  return make_error(ErrorCode::kUnsupported, fmt::format("a {} has no negative", type_name(value)));
}

}  // namespace flexinfer::jinja
