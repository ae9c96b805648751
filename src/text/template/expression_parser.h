// Reads expressions. Precedence and associativity are those of Jinja's own parser.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "text/template/arena.h"
#include "text/template/lexer.h"
#include "text/template/syntax.h"

namespace flexinfer::jinja {

// The names of a template, numbered in the order in which they come up.
class Symbols {
 public:
  Symbols();
  Symbol add(std::string_view name);
  // Of a name that the template does not mention: nullptr.
  const Symbol* find(std::string_view name) const;
  size_t size() const { return numbers_.size(); }

 private:
  std::map<std::string, Symbol, std::less<>> numbers_;
};

class ExpressionParser {
 public:
  // All three must outlive what is parsed.
  ExpressionParser(const std::vector<LexerToken>& tokens, Arena& arena, Symbols& symbols)
      : tokens_(tokens), arena_(arena), symbols_(symbols) {}

  using Parsed = Result<const Node*>;

  // One expression, or several with commas between them, which are a tuple.
  Parsed parse_tuple(bool with_conditional = true);
  Parsed parse_expression();  // with `if else`
  Parsed parse_or();
  // "a", "a, b", "(a, b)", and "space.a" where namespaces are allowed.
  Result<Target> parse_target(bool with_namespace);
  // "(a, b=1)": the defaults belong to the last parameters.
  Status parse_parameters(Node& macro);
  // A filter and those after it: "name(args) | name ...", of nothing.
  Parsed parse_filters(const Node* input, bool begins_with_name);

 protected:
  using Level = int;

  const LexerToken& current() const { return tokens_[at_]; }
  const LexerToken& next() const { return tokens_[at_ + 1 < tokens_.size() ? at_ + 1 : at_]; }
  LexerToken take();
  bool is(TokenKind kind, std::string_view text) const;
  bool is_operator(std::string_view text) const { return is(TokenKind::kOperator, text); }
  bool is_name(std::string_view text) const { return is(TokenKind::kName, text); }
  bool skip_operator(std::string_view text);
  bool skip_name(std::string_view text);
  Status expect_operator(std::string_view text);
  Result<LexerToken> expect_name();
  tl::unexpected<Error> unexpected(std::string_view wanted) const;

  Node node(NodeKind kind) const { return {.kind = kind, .line = current().line}; }
  Parsed make(const Node& node) { return arena_.make(node); }
  Result<Nodes> copy(const std::vector<const Node*>& nodes) {
    return arena_.copy(std::span<const Node* const>(nodes));
  }

  // How deep the expressions and blocks being read are nested; the error where that is too much.
  Status enter();
  void leave() { --depth_; }

  const std::vector<LexerToken>& tokens_;
  Arena& arena_;
  Symbols& symbols_;
  size_t at_ = 0;
  int depth_ = 0;
  Node* macro_ = nullptr;  // the one whose body is being read

 private:
  Parsed parse_left_to_right(std::span<const std::pair<std::string_view, Operator>> operators,
                             Parsed (ExpressionParser::*operand)());
  Parsed parse_and();
  Parsed parse_not();
  Parsed parse_comparison();
  bool take_comparison(Operator& op);
  Parsed parse_sum();
  Parsed parse_concat();
  Parsed parse_product();
  Parsed parse_power();
  Parsed parse_operand() { return parse_unary(true); }
  Parsed parse_unary(bool with_filters);
  Parsed parse_primary();
  Parsed parse_name();
  Parsed parse_string();
  Parsed parse_number();
  Parsed parse_parentheses();
  Parsed parse_list();
  Parsed parse_dict();
  Parsed parse_postfix(const Node* operand);
  Parsed parse_attribute(const Node* operand);
  Parsed parse_subscript(const Node* operand);
  Parsed parse_index();
  Parsed parse_call(const Node* function);
  Status parse_arguments(Node& call);
  Parsed parse_test(const Node* operand);
  bool begins_test_argument() const;
  bool ends_tuple() const;
};

}  // namespace flexinfer::jinja
