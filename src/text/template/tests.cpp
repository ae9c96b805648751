// The tests of templates: "x is defined".
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "text/template/arguments.h"
#include "text/template/builtins.h"
#include "text/template/characters.h"
#include "text/template/operators.h"

namespace flexinfer::jinja {
namespace {

template <class T>
Result<Value> is_of(Call& call) {
  FLEX_TRY(const Arguments none, Arguments::bind(call, {}));
  static_cast<void>(none);
  return Value(std::holds_alternative<T>(call.self));
}

Result<Value> is_defined(Call& call) {
  return Value(!is_undefined(call.self));
}
template <bool kWanted>
Result<Value> is_constant(Call& call) {
  const auto* boolean = std::get_if<bool>(&call.self);
  return Value(boolean != nullptr && *boolean == kWanted);
}
Result<Value> is_number(Call& call) {
  int64_t storage = 0;
  return Value(as_int(call.self, storage) != nullptr || std::holds_alternative<double>(call.self));
}
Result<Value> is_sequence(Call& call) {
  const List* list = as_list(call.self);
  const bool has_items = list != nullptr && (list->kind == ListKind::kList || list->kind == ListKind::kTuple);
  return Value(has_items || as_text(call.self) != nullptr || as_dict(call.self) != nullptr);
}
Result<Value> is_iterable(Call& call) {
  return Value(as_list(call.self) != nullptr || as_text(call.self) != nullptr ||
               as_dict(call.self) != nullptr || is_undefined(call.self));
}

Result<int64_t> self_integer(const Call& call) {
  int64_t storage = 0;
  if (const int64_t* number = as_int(call.self, storage)) return *number;
  return make_error(ErrorCode::kUnsupported, fmt::format("a {} is not a whole number", type_name(call.self)));
}
template <int64_t kRemainder>
Result<Value> is_parity(Call& call) {
  FLEX_TRY(const int64_t number, self_integer(call));
  return Value((number & 1) == kRemainder);
}
Result<Value> is_divisible_by(Call& call) {
  FLEX_TRY(const Arguments arguments, Arguments::bind(call, {"num"}));
  FLEX_TRY(const Value divisor, arguments.require(0));
  FLEX_TRY(const Value remainder, calculate(Operator::kModulo, call.self, divisor, call.sandbox));
  return Value(!is_true(remainder));
}

template <Operator kOperator>
Result<Value> is_compared(Call& call) {
  FLEX_TRY(const Arguments arguments, Arguments::bind(call, {"other"}));
  FLEX_TRY(const Value other, arguments.require(0));
  return compare(kOperator, call.self, other, call.sandbox).map([](bool holds) { return Value(holds); });
}

// Python's `is`: the same object. Small values are the same where they are equal and of one type.
Result<Value> is_same(Call& call) {
  FLEX_TRY(const Arguments arguments, Arguments::bind(call, {"other"}));
  FLEX_TRY(const Value other, arguments.require(0));
  if (call.self.index() != other.index()) return Value(false);
  if (as_list(other) != nullptr) return Value(as_list(other) == as_list(call.self));
  if (as_dict(other) != nullptr) return Value(as_dict(other) == as_dict(call.self));
  return compare(Operator::kEqual, call.self, other, call.sandbox).map([](bool same) { return Value(same); });
}

// Whether there are letters with case, and all are of this one.
template <bool (*kIsWanted)(uint32_t), bool (*kIsOther)(uint32_t)>
Result<Value> is_in_case(Call& call) {
  FLEX_TRY(const Text text, self_text(call));
  FLEX_CHECK(call.sandbox.charge(1 + text.size() / 4));
  bool has_wanted = false;
  for (std::string_view rest = text.bytes(); !rest.empty();) {
    const Character character = first_character(rest);
    if (kIsOther(character.code_point)) return Value(false);
    has_wanted = has_wanted || kIsWanted(character.code_point);
    rest.remove_prefix(character.n_bytes);
  }
  return Value(has_wanted);
}

template <Builtin (*kFind)(std::string_view)>
Result<Value> is_name_of(Call& call) {
  const Text* name = as_text(call.self);
  return Value(name != nullptr && kFind(name->bytes()) != nullptr);
}

struct Row {
  std::string_view name;
  Builtin builtin;
};
constexpr auto kTests = std::to_array<Row>({
    {"defined", is_defined},
    {"undefined", is_of<Undefined>},
    {"none", is_of<None>},
    {"boolean", is_of<bool>},
    {"true", is_constant<true>},
    {"false", is_constant<false>},
    {"integer", is_of<int64_t>},
    {"float", is_of<double>},
    {"number", is_number},
    {"string", is_of<Text>},
    {"mapping", is_of<const Dict*>},
    {"sequence", is_sequence},
    {"iterable", is_iterable},
    {"callable", is_of<const Callable*>},
    {"even", is_parity<0>},
    {"odd", is_parity<1>},
    {"divisibleby", is_divisible_by},
    {"eq", is_compared<Operator::kEqual>},
    {"equalto", is_compared<Operator::kEqual>},
    {"==", is_compared<Operator::kEqual>},
    {"ne", is_compared<Operator::kNotEqual>},
    {"!=", is_compared<Operator::kNotEqual>},
    {"lt", is_compared<Operator::kLess>},
    {"lessthan", is_compared<Operator::kLess>},
    {"<", is_compared<Operator::kLess>},
    {"le", is_compared<Operator::kLessEqual>},
    {"<=", is_compared<Operator::kLessEqual>},
    {"gt", is_compared<Operator::kGreater>},
    {"greaterthan", is_compared<Operator::kGreater>},
    {">", is_compared<Operator::kGreater>},
    {"ge", is_compared<Operator::kGreaterEqual>},
    {">=", is_compared<Operator::kGreaterEqual>},
    {"in", is_compared<Operator::kIn>},
    {"sameas", is_same},
    {"lower", is_in_case<is_lower, is_upper>},
    {"upper", is_in_case<is_upper, is_lower>},
    {"filter", is_name_of<find_filter>},
    {"test", is_name_of<find_test>},
});

}  // namespace

Builtin find_test(std::string_view name) {
  const auto row = std::ranges::find(kTests, name, &Row::name);
  return row == kTests.end() ? nullptr : row->builtin;
}

}  // namespace flexinfer::jinja
