// Runs a template.
#pragma once

#include <string_view>
#include <vector>

#include "text/template/sandbox.h"
#include "text/template/syntax.h"

namespace flexinfer::jinja {

struct Variable {
  Symbol symbol = 0;
  Value value;
};

// Variables that came about in one block. Inner ones hide those of the blocks around it.
struct Scope {
  Scope* parent = nullptr;
  std::span<Variable> variables = {};  // with room for more
  size_t n_variables = 0;
  bool is_kept = false;  // a macro refers to it
};

class Interpreter {
 public:
  Interpreter(Sandbox& sandbox, TextBuilder& out) : sandbox_(sandbox), out_(&out) {}

  Status run(Nodes body, std::span<const Variable> variables);

 private:
  enum class Flow { kNext, kBreak, kContinue };

  // Statements
  Result<Flow> run_body(Nodes body);
  Result<Flow> run_statement(const Node& node);
  Result<Flow> dispatch_statement(const Node& node);
  Status output(const Value& value);
  Result<Flow> run_if(const Node& node);
  Result<Flow> run_for(const Node& node);
  Result<std::span<const Value>> loop_items(const Node& node);
  Result<Flow> run_loop(const Node& node, Loop& loop, Scope& scope);
  Status run_set(const Node& node);
  Status run_macro(const Node& node);
  Result<Value> make_macro(const Node& node);
  Status run_call_block(const Node& node);
  // What the body puts out, through the filters `filters` (nullptr: none).
  Result<Value> capture(Nodes body, const Node* filters);
  Result<Flow> run_in_scope(Nodes body, Nodes assignments);

  // Expressions
  Result<Value> evaluate(const Node& node);
  Result<Value> dispatch(const Node& node);
  Result<Value> evaluate_name(const Node& node);
  Result<Value> evaluate_items(const Node& node);
  Result<Value> evaluate_dict(const Node& node);
  Result<Value> evaluate_concat(const Node& node);
  Result<Value> evaluate_compare(const Node& node);
  Result<Value> evaluate_subscript(const Node& node);
  Result<Value> evaluate_filter(const Node& node);
  Result<Value> evaluate_test(const Node& node);
  Result<Value> evaluate_call(const Node& node, const Value* caller);

  struct Arguments {
    std::vector<Value> positional;
    std::vector<Keyword> named;
  };
  Result<Arguments> evaluate_arguments(const Node& node);
  Result<Callable> evaluate_callable(const Node& node);
  Result<Value> call_macro(const Callable& callable, const Arguments& arguments, const Value* caller);
  Status bind_parameters(const Node& macro, const Arguments& arguments);
  Status bind_more_arguments(const Node& macro, const Arguments& arguments);

  // Variables
  Status assign(const Target& target, const Value& value);
  Status assign(Scope& scope, Symbol symbol, const Value& value);
  const Value* find(Symbol symbol) const;
  Result<Scope*> open_scope(Scope* parent);
  void close_scope(Scope* scope);

  tl::unexpected<Error> locate(Error error, const Node& node);

  Sandbox& sandbox_;
  TextBuilder* out_;
  Scope* scope_ = nullptr;
  std::vector<Scope*> unused_;  // scopes to be used again
  Value filter_input_;          // of the first filter of a block
  int64_t loop_depth_ = 0;
  bool is_located_ = false;  // the error on its way up says where it was
};

}  // namespace flexinfer::jinja
