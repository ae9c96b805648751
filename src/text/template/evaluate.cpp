// The expressions of the interpreter.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "text/template/builtins.h"
#include "text/template/interpreter.h"
#include "text/template/operators.h"
#include "text/template/print.h"

namespace flexinfer::jinja {
namespace {

bool is_hashable(const Value& value) {
  return std::holds_alternative<None>(value) || std::holds_alternative<bool>(value) ||
         std::holds_alternative<int64_t>(value) || std::holds_alternative<double>(value) ||
         std::holds_alternative<Text>(value);
}

}  // namespace

Result<Value> Interpreter::evaluate(const Node& node) {
  const Sandbox::Level level(sandbox_);
  Status status = level.check();
  if (status) status = sandbox_.charge(1);
  Result<Value> value = status ? dispatch(node) : tl::unexpected(status.error());
  if (!value) return locate(std::move(value.error()), node);
  return value;
}

Result<Value> Interpreter::dispatch(const Node& node) {
  switch (node.kind) {
    case NodeKind::kLiteral:
      return node.literal;
    case NodeKind::kName:
      return evaluate_name(node);
    case NodeKind::kList:
    case NodeKind::kTuple:
      return evaluate_items(node);
    case NodeKind::kDict:
      return evaluate_dict(node);
    case NodeKind::kNot:
      return evaluate(*node.first).map([](const Value& value) { return Value(!is_true(value)); });
    case NodeKind::kNegative:
      return evaluate(*node.first).and_then(negative);
    case NodeKind::kPositive:
      return evaluate(*node.first);
    case NodeKind::kAnd:
    case NodeKind::kOr: {
      FLEX_TRY(const Value first, evaluate(*node.first));
      if (is_true(first) == (node.kind == NodeKind::kOr)) return first;
      return evaluate(*node.second);
    }
    case NodeKind::kBinary: {
      FLEX_TRY(const Value first, evaluate(*node.first));
      FLEX_TRY(const Value second, evaluate(*node.second));
      return calculate(node.op, first, second, sandbox_);
    }
    case NodeKind::kConcat:
      return evaluate_concat(node);
    case NodeKind::kCompare:
      return evaluate_compare(node);
    case NodeKind::kConditional: {
      FLEX_TRY(const Value condition, evaluate(*node.second));
      if (is_true(condition)) return evaluate(*node.first);
      if (node.third == nullptr) return Value(Undefined{.name = "the missing else"});
      return evaluate(*node.third);
    }
    case NodeKind::kAttribute: {
      FLEX_TRY(const Value owner, evaluate(*node.first));
      return attribute(owner, node.name, sandbox_);
    }
    case NodeKind::kSubscript:
      return evaluate_subscript(node);
    case NodeKind::kCall:
      return evaluate_call(node, nullptr);
    case NodeKind::kFilter:
      return evaluate_filter(node);
    default:
      return evaluate_test(node);
  }
}

Result<Value> Interpreter::evaluate_name(const Node& node) {
  if (const Value* value = find(node.symbol)) return *value;
  if (const Builtin function = find_function(node.name)) return sandbox_.method(node.name, function, None{});
  return Value(Undefined{.name = node.name});
}

Result<Value> Interpreter::evaluate_items(const Node& node) {
  std::vector<Value> items;
  for (const Node* item : node.items) {
    FLEX_TRY(const Value value, evaluate(*item));
    items.push_back(value);
  }
  return sandbox_.list(items, node.kind == NodeKind::kList ? ListKind::kList : ListKind::kTuple);
}

Result<Value> Interpreter::evaluate_dict(const Node& node) {
  std::vector<DictEntry> entries;
  for (size_t i = 0; i < node.items.size(); i += 2) {
    FLEX_TRY(const Value key, evaluate(*node.items[i]));
    FLEX_TRY(const Value value, evaluate(*node.items[i + 1]));
    if (!is_hashable(key)) {
      return make_error(ErrorCode::kUnsupported, fmt::format("a {} cannot be a key", type_name(key)));
    }
    entries.push_back({key, value});
  }
  return sandbox_.dict(std::move(entries));
}

Result<Value> Interpreter::evaluate_concat(const Node& node) {
  TextBuilder out(sandbox_);
  for (const Node* piece : node.items) {
    FLEX_TRY(const Value value, evaluate(*piece));
    FLEX_CHECK(print(value, sandbox_, out));
  }
  FLEX_TRY(const Text text, out.finish(sandbox_));
  return Value(text);
}

Result<Value> Interpreter::evaluate_compare(const Node& node) {
  FLEX_TRY(Value left, evaluate(*node.items.front()));
  for (size_t i = 0; i < node.ops.size(); ++i) {
    FLEX_TRY(const Value right, evaluate(*node.items[i + 1]));
    FLEX_TRY(const bool holds, compare(node.ops[i], left, right, sandbox_));
    if (!holds) return Value(false);
    left = right;
  }
  return Value(true);
}

Result<Value> Interpreter::evaluate_subscript(const Node& node) {
  FLEX_TRY(const Value owner, evaluate(*node.first));
  const Node& index = *node.second;
  if (index.kind != NodeKind::kSlice) {
    FLEX_TRY(const Value key, evaluate(index));
    return subscript(owner, key, sandbox_);
  }
  const Node* parts[] = {index.first, index.second, index.third};
  Value values[3] = {None{}, None{}, None{}};
  for (size_t i = 0; i < 3; ++i) {
    if (parts[i] == nullptr) continue;
    FLEX_TRY(values[i], evaluate(*parts[i]));
  }
  return slice(owner, {&values[0], &values[1], &values[2]}, sandbox_);
}

Result<Value> Interpreter::evaluate_filter(const Node& node) {
  Value input = filter_input_;
  if (node.first != nullptr) {
    FLEX_TRY(input, evaluate(*node.first));
  }
  if (node.builtin == nullptr) return make_error(ErrorCode::kUnsupported, "there is no filter of this name");
  FLEX_TRY(const Arguments arguments, evaluate_arguments(node));
  Call call{sandbox_, node.name, input, arguments.positional, arguments.named};
  return node.builtin(call);
}

Result<Value> Interpreter::evaluate_test(const Node& node) {
  FLEX_TRY(const Value input, evaluate(*node.first));
  if (node.builtin == nullptr) return make_error(ErrorCode::kUnsupported, "there is no test of this name");
  FLEX_TRY(const Arguments arguments, evaluate_arguments(node));
  Call call{sandbox_, node.name, input, arguments.positional, arguments.named};
  return node.builtin(call);
}

Result<Interpreter::Arguments> Interpreter::evaluate_arguments(const Node& node) {
  Arguments arguments;
  for (const Node* item : node.items) {
    FLEX_TRY(const Value value, evaluate(*item));
    arguments.positional.push_back(value);
  }
  for (size_t i = 0; i < node.others.size(); ++i) {
    FLEX_TRY(const Value value, evaluate(*node.others[i]));
    arguments.named.push_back({node.names[i], value});
  }
  return arguments;
}

// What a call calls. Methods and functions are found without making a value of them first.
Result<Callable> Interpreter::evaluate_callable(const Node& node) {
  Value value;
  if (node.kind == NodeKind::kAttribute) {
    FLEX_TRY(const Value owner, evaluate(*node.first));
    if (const Builtin method = find_method(owner, node.name)) {
      return Callable{.name = node.name, .builtin = method, .self = owner};
    }
    FLEX_TRY(value, attribute(owner, node.name, sandbox_));
  } else {
    const Builtin function = node.kind == NodeKind::kName ? find_function(node.name) : nullptr;
    if (function != nullptr && find(node.symbol) == nullptr) {
      return Callable{.name = node.name, .builtin = function, .self = None{}};
    }
    FLEX_TRY(value, evaluate(node));
  }
  FLEX_CHECK(require_defined(value));
  if (const auto* callable = std::get_if<const Callable*>(&value)) return **callable;
  return make_error(ErrorCode::kUnsupported, fmt::format("a {} cannot be called", type_name(value)));
}

Result<Value> Interpreter::evaluate_call(const Node& node, const Value* caller) {
  FLEX_TRY(const Callable callable, evaluate_callable(*node.first));
  FLEX_TRY(const Arguments arguments, evaluate_arguments(node));
  if (callable.macro != nullptr) return call_macro(callable, arguments, caller);
  Call call{sandbox_, callable.name, callable.self, arguments.positional, arguments.named};
  return callable.builtin(call);
}

Result<Value> Interpreter::call_macro(const Callable& callable, const Arguments& arguments,
                                      const Value* caller) {
  FLEX_TRY(Scope* const inner, open_scope(callable.scope));
  TextBuilder text(sandbox_);
  TextBuilder* const outer_text = std::exchange(out_, &text);
  Scope* const outer = std::exchange(scope_, inner);
  if (caller != nullptr) FLEX_CHECK(assign(*inner, kCaller, *caller));
  FLEX_CHECK(bind_parameters(*callable.macro, arguments));
  FLEX_TRY(const Flow flow, run_body(callable.macro->items));
  static_cast<void>(flow);
  scope_ = outer;
  out_ = outer_text;
  close_scope(inner);
  FLEX_TRY(const Text result, text.finish(sandbox_));
  return Value(result);
}

Status Interpreter::bind_parameters(const Node& macro, const Arguments& arguments) {
  const std::span<const Symbol> symbols = macro.target.symbols;
  const size_t n_without_default = symbols.size() - macro.others.size();
  for (size_t i = 0; i < symbols.size(); ++i) {
    const auto named = std::ranges::find(arguments.named, macro.names[i], &Keyword::name);
    Value value = Undefined{.name = macro.names[i]};
    if (i < arguments.positional.size()) {
      value = arguments.positional[i];
    } else if (named != arguments.named.end()) {
      value = named->value;
    } else if (i >= n_without_default) {
      FLEX_TRY(value, evaluate(*macro.others[i - n_without_default]));
    }
    FLEX_CHECK(assign(*scope_, symbols[i], value));
  }
  return bind_more_arguments(macro, arguments);
}

// What no parameter takes: an error, unless the macro asks for it as `varargs` or `kwargs`.
Status Interpreter::bind_more_arguments(const Node& macro, const Arguments& arguments) {
  const size_t n_parameters = macro.target.symbols.size();
  std::vector<DictEntry> named;
  for (const Keyword& keyword : arguments.named) {
    if (std::ranges::find(macro.names, keyword.name) == macro.names.end()) {
      named.push_back({Text(keyword.name, true), keyword.value});
    }
  }
  const bool has_more = arguments.positional.size() > n_parameters;
  if (!macro.takes_any_arguments) {
    if (!has_more && named.empty()) return {};
    return make_error(ErrorCode::kUnsupported,
                      fmt::format("the macro '{}' does not take {}", macro.name,
                                  has_more ? "that many arguments" : "such a keyword"));
  }
  std::span<const Value> more = arguments.positional;
  more = more.subspan(std::min(n_parameters, more.size()));
  FLEX_TRY(const Value varargs, sandbox_.list(more, ListKind::kTuple));
  FLEX_TRY(const Value kwargs, sandbox_.dict(std::move(named)));
  FLEX_CHECK(assign(*scope_, kVarargs, varargs));
  return assign(*scope_, kKwargs, kwargs);
}

}  // namespace flexinfer::jinja
