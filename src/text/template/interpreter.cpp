#include "text/template/interpreter.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "text/template/operators.h"
#include "text/template/print.h"

namespace flexinfer::jinja {

Status Interpreter::run(Nodes body, std::span<const Variable> variables) {
  FLEX_TRY(scope_, open_scope(nullptr));
  for (const Variable& variable : variables)
    FLEX_CHECK(assign(*scope_, variable.symbol, variable.value));
  FLEX_TRY(const Flow flow, run_body(body));
  static_cast<void>(flow);  // the parser lets no jump out of a loop
  return {};
}

tl::unexpected<Error> Interpreter::locate(Error error, const Node& node) {
  if (!std::exchange(is_located_, true)) {
    error.message = fmt::format("line {}, {}: {}", node.line, describe(node), error.message);
  }
  return tl::unexpected(std::move(error));
}

Result<Interpreter::Flow> Interpreter::run_body(Nodes body) {
  for (const Node* node : body) {
    FLEX_TRY(const Flow flow, run_statement(*node));
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::run_statement(const Node& node) {
  const Sandbox::Level level(sandbox_);
  Status status = level.check();
  if (status) status = sandbox_.charge(1);
  Result<Flow> flow = status ? dispatch_statement(node) : tl::unexpected(status.error());
  if (!flow) return locate(std::move(flow.error()), node);
  return flow;
}

Result<Interpreter::Flow> Interpreter::dispatch_statement(const Node& node) {
  const auto go_on = [](const Status& status) { return status.map([] { return Flow::kNext; }); };
  switch (node.kind) {
    case NodeKind::kData:
      return go_on(output(node.literal));
    case NodeKind::kIf:
      return run_if(node);
    case NodeKind::kFor:
      return run_for(node);
    case NodeKind::kSet:
      return go_on(run_set(node));
    case NodeKind::kSetBlock: {
      FLEX_TRY(const Value value, capture(node.items, node.first));
      return go_on(assign(node.target, value));
    }
    case NodeKind::kMacro:
      return go_on(run_macro(node));
    case NodeKind::kCallBlock:
      return go_on(run_call_block(node));
    case NodeKind::kFilterBlock: {
      FLEX_TRY(const Value value, capture(node.items, node.first));
      return go_on(output(value));
    }
    case NodeKind::kWith:
      return run_in_scope(node.items, node.others);
    case NodeKind::kBlock:
      return run_in_scope(node.items, {});
    case NodeKind::kBreak:
      return Flow::kBreak;
    case NodeKind::kContinue:
      return Flow::kContinue;
    default: {
      FLEX_TRY(const Value value, evaluate(*node.first));
      return go_on(output(value));
    }
  }
}

Status Interpreter::output(const Value& value) {
  FLEX_CHECK(print(value, sandbox_, *out_));
  if (!out_->is_full()) return {};
  return make_error(ErrorCode::kUnsupported, "more text comes out than a template may make");
}

Result<Interpreter::Flow> Interpreter::run_if(const Node& node) {
  FLEX_TRY(const Value condition, evaluate(*node.first));
  return run_body(is_true(condition) ? node.items : node.others);
}

Result<Interpreter::Flow> Interpreter::run_in_scope(Nodes body, Nodes assignments) {
  FLEX_TRY(Scope* const inner, open_scope(scope_));
  for (const Node* node : assignments) {
    FLEX_TRY(const Value value, evaluate(*node->first));  // outside: one does not see the others
    Scope* const outer = std::exchange(scope_, inner);
    FLEX_CHECK(assign(node->target, value));
    scope_ = outer;
  }
  Scope* const outer = std::exchange(scope_, inner);
  FLEX_TRY(const Flow flow, run_body(body));
  scope_ = outer;
  close_scope(inner);
  return flow;
}

// The items of a loop, without those that its `if` leaves out.
Result<std::span<const Value>> Interpreter::loop_items(const Node& node) {
  FLEX_TRY(const Value iterable, evaluate(*node.first));
  FLEX_TRY(const std::span<const Value> items, iterate(iterable, sandbox_));
  if (node.second == nullptr) return items;
  FLEX_TRY(Scope* const inner, open_scope(scope_));
  Scope* const outer = std::exchange(scope_, inner);
  std::vector<Value> kept;
  for (const Value& item : items) {
    inner->n_variables = 0;
    FLEX_CHECK(assign(node.target, item));
    FLEX_TRY(const Value condition, evaluate(*node.second));
    if (is_true(condition)) kept.push_back(item);
  }
  scope_ = outer;
  close_scope(inner);
  FLEX_TRY(const std::span<Value> copied, sandbox_.arena().copy(std::span<const Value>(kept)));
  return std::span<const Value>(copied);
}

Result<Interpreter::Flow> Interpreter::run_for(const Node& node) {
  FLEX_TRY(const std::span<const Value> items, loop_items(node));
  if (items.empty()) return run_in_scope(node.others, {});
  FLEX_TRY(Loop* const loop, sandbox_.arena().make(Loop{.items = items, .depth = loop_depth_ + 1}));
  FLEX_TRY(Scope * inner, open_scope(scope_));
  Scope* const outer = std::exchange(scope_, inner);
  for (; loop->index < items.size(); ++loop->index) {
    FLEX_CHECK(sandbox_.charge(1));
    if (inner->is_kept) {
      FLEX_TRY(inner, open_scope(outer));
      scope_ = inner;
    }
    inner->n_variables = 0;
    FLEX_TRY(const Flow flow, run_loop(node, *loop, *inner));
    if (flow == Flow::kBreak) break;
  }
  scope_ = outer;
  close_scope(inner);
  return Flow::kNext;
}

// One round.
Result<Interpreter::Flow> Interpreter::run_loop(const Node& node, Loop& loop, Scope& scope) {
  FLEX_CHECK(assign(scope, kLoop, &loop));
  FLEX_CHECK(assign(node.target, loop.items[loop.index]));
  return run_body(node.items);
}

Status Interpreter::run_set(const Node& node) {
  FLEX_TRY(const Value value, evaluate(*node.first));
  return assign(node.target, value);
}

Result<Value> Interpreter::make_macro(const Node& node) {
  for (Scope* scope = scope_; scope != nullptr; scope = scope->parent)
    scope->is_kept = true;
  FLEX_TRY(const Callable* macro,
           sandbox_.arena().make(Callable{.name = node.name, .macro = &node, .scope = scope_}));
  return Value(macro);
}

Status Interpreter::run_macro(const Node& node) {
  FLEX_TRY(const Value macro, make_macro(node));
  return assign(*scope_, node.symbol, macro);
}

Status Interpreter::run_call_block(const Node& node) {
  FLEX_TRY(const Value caller, make_macro(*node.second));
  FLEX_TRY(const Value value, evaluate_call(*node.first, &caller));
  return output(value);
}

Result<Value> Interpreter::capture(Nodes body, const Node* filters) {
  TextBuilder captured(sandbox_);
  TextBuilder* const outer = std::exchange(out_, &captured);
  FLEX_TRY(const Flow flow, run_in_scope(body, {}));
  static_cast<void>(flow);
  out_ = outer;
  FLEX_TRY(const Text text, captured.finish(sandbox_));
  if (filters == nullptr) return Value(text);
  filter_input_ = text;
  return evaluate(*filters);
}

const Value* Interpreter::find(Symbol symbol) const {
  for (const Scope* scope = scope_; scope != nullptr; scope = scope->parent) {
    for (const Variable& variable : scope->variables.first(scope->n_variables)) {
      if (variable.symbol == symbol) return &variable.value;
    }
  }
  return nullptr;
}

Status Interpreter::assign(Scope& scope, Symbol symbol, const Value& value) {
  FLEX_CHECK(sandbox_.charge(1 + scope.n_variables / 8));
  const auto used = scope.variables.first(scope.n_variables);
  const auto found = std::ranges::find(used, symbol, &Variable::symbol);
  if (found != used.end()) {
    found->value = value;
    return {};
  }
  if (scope.n_variables == scope.variables.size()) {
    FLEX_TRY(const std::span<Variable> larger, sandbox_.arena().array<Variable>(2 * scope.n_variables + 4));
    std::ranges::copy(used, larger.begin());
    scope.variables = larger;
  }
  scope.variables[scope.n_variables++] = {symbol, value};
  return {};
}

Status Interpreter::assign(const Target& target, const Value& value) {
  if (!target.member.empty()) {
    const Value* space = find(target.symbols.front());
    if (space == nullptr || !std::holds_alternative<Namespace*>(*space)) {
      return make_error(ErrorCode::kUnsupported,
                        fmt::format("'{}' is set in what is not a namespace", target.member));
    }
    return sandbox_.set(*std::get<Namespace*>(*space), target.member, value);
  }
  if (!target.unpacks) return assign(*scope_, target.symbols.front(), value);
  FLEX_TRY(const std::span<const Value> items, iterate(value, sandbox_));
  if (items.size() != target.symbols.size()) {
    return make_error(ErrorCode::kUnsupported, fmt::format("{} values are assigned to {} variables",
                                                           items.size(), target.symbols.size()));
  }
  for (size_t i = 0; i < items.size(); ++i)
    FLEX_CHECK(assign(*scope_, target.symbols[i], items[i]));
  return {};
}

Result<Scope*> Interpreter::open_scope(Scope* parent) {
  if (unused_.empty()) return sandbox_.arena().make(Scope{.parent = parent});
  Scope* const scope = unused_.back();
  unused_.pop_back();
  scope->parent = parent;
  scope->n_variables = 0;
  return scope;
}

void Interpreter::close_scope(Scope* scope) {
  if (!scope->is_kept) unused_.push_back(scope);
}

}  // namespace flexinfer::jinja
