#include "text/template/expression_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "gguf/quote.h"
#include "text/template/builtins.h"
#include "text/template/literals.h"

namespace flexinfer::jinja {
namespace {

// Chains of operators are as deep in the tree as they are long.
constexpr int kDeepest = 200;

using Row = std::pair<std::string_view, Operator>;
constexpr std::array<Row, 2> kSums = {{{"+", Operator::kAdd}, {"-", Operator::kSubtract}}};
constexpr std::array<Row, 4> kProducts = {{{"*", Operator::kMultiply},
                                           {"/", Operator::kDivide},
                                           {"//", Operator::kFloorDivide},
                                           {"%", Operator::kModulo}}};
constexpr std::array<Row, 1> kPowers = {{{"**", Operator::kPower}}};
constexpr std::array<Row, 6> kComparisons = {{{"==", Operator::kEqual},
                                              {"!=", Operator::kNotEqual},
                                              {"<", Operator::kLess},
                                              {"<=", Operator::kLessEqual},
                                              {">", Operator::kGreater},
                                              {">=", Operator::kGreaterEqual}}};

}  // namespace

Symbols::Symbols()
    : numbers_{{"loop", kLoop}, {"caller", kCaller}, {"varargs", kVarargs}, {"kwargs", kKwargs}} {}

Symbol Symbols::add(std::string_view name) {
  const auto found = numbers_.find(name);
  if (found != numbers_.end()) return found->second;
  const auto number = static_cast<Symbol>(numbers_.size());
  numbers_.emplace(name, number);
  return number;
}

const Symbol* Symbols::find(std::string_view name) const {
  const auto found = numbers_.find(name);
  return found == numbers_.end() ? nullptr : &found->second;
}

LexerToken ExpressionParser::take() {
  const LexerToken token = current();
  if (at_ + 1 < tokens_.size()) ++at_;
  return token;
}

bool ExpressionParser::is(TokenKind kind, std::string_view text) const {
  return current().kind == kind && current().text == text;
}

bool ExpressionParser::skip_operator(std::string_view text) {
  const bool found = is_operator(text);
  if (found) take();
  return found;
}

bool ExpressionParser::skip_name(std::string_view text) {
  const bool found = is_name(text);
  if (found) take();
  return found;
}

Status ExpressionParser::expect_operator(std::string_view text) {
  if (!skip_operator(text)) return unexpected(text);
  return {};
}

Result<LexerToken> ExpressionParser::expect_name() {
  if (current().kind != TokenKind::kName) return unexpected("a name");
  return take();
}

tl::unexpected<Error> ExpressionParser::unexpected(std::string_view wanted) const {
  const bool is_over = current().kind == TokenKind::kEnd;
  return syntax_error(
      current().line,
      fmt::format("{} where {} is expected", is_over ? "the template ends" : quote(current().text), wanted));
}

Status ExpressionParser::enter() {
  if (++depth_ <= kDeepest) return {};
  return syntax_error(current().line, fmt::format("nested more than {} levels deep", kDeepest));
}

bool ExpressionParser::ends_tuple() const {
  return current().kind == TokenKind::kTagEnd || current().kind == TokenKind::kOutputEnd ||
         is_operator(")") || is_name("recursive");
}

ExpressionParser::Parsed ExpressionParser::parse_tuple(bool with_conditional) {
  Node tuple = node(NodeKind::kTuple);
  std::vector<const Node*> items;
  bool has_comma = false;
  do {
    if (ends_tuple()) break;
    FLEX_TRY(const Node* item, with_conditional ? parse_expression() : parse_or());
    items.push_back(item);
    if (!is_operator(",")) break;
    has_comma = true;
  } while (skip_operator(","));
  if (!has_comma) {
    if (items.empty()) return unexpected("an expression");
    return items.front();
  }
  FLEX_TRY(tuple.items, copy(items));
  return make(tuple);
}

ExpressionParser::Parsed ExpressionParser::parse_expression() {
  FLEX_CHECK(enter());
  FLEX_TRY(const Node* value, parse_or());
  const int entered = depth_;
  while (is_name("if")) {
    FLEX_CHECK(enter());
    Node conditional = node(NodeKind::kConditional);
    take();
    conditional.first = value;
    FLEX_TRY(conditional.second, parse_or());
    if (skip_name("else")) {
      FLEX_TRY(conditional.third, parse_expression());
    }
    FLEX_TRY(value, make(conditional));
  }
  depth_ = entered;
  leave();
  return value;
}

// Each operator takes what is left of it as one operand, so a chain grows deep on the left.
ExpressionParser::Parsed ExpressionParser::parse_left_to_right(
    std::span<const std::pair<std::string_view, Operator>> operators, Parsed (ExpressionParser::*operand)()) {
  FLEX_TRY(const Node* left, (this->*operand)());
  const int entered = depth_;
  while (current().kind == TokenKind::kOperator) {
    const auto found = std::ranges::find(operators, current().text, &Row::first);
    if (found == operators.end()) break;
    FLEX_CHECK(enter());
    Node binary = node(NodeKind::kBinary);
    take();
    binary.op = found->second;
    binary.first = left;
    FLEX_TRY(binary.second, (this->*operand)());
    FLEX_TRY(left, make(binary));
  }
  depth_ = entered;
  return left;
}

ExpressionParser::Parsed ExpressionParser::parse_or() {
  FLEX_TRY(const Node* left, parse_and());
  const int entered = depth_;
  while (is_name("or")) {
    FLEX_CHECK(enter());
    Node either = node(NodeKind::kOr);
    take();
    either.first = left;
    FLEX_TRY(either.second, parse_and());
    FLEX_TRY(left, make(either));
  }
  depth_ = entered;
  return left;
}

ExpressionParser::Parsed ExpressionParser::parse_and() {
  FLEX_TRY(const Node* left, parse_not());
  const int entered = depth_;
  while (is_name("and")) {
    FLEX_CHECK(enter());
    Node both = node(NodeKind::kAnd);
    take();
    both.first = left;
    FLEX_TRY(both.second, parse_not());
    FLEX_TRY(left, make(both));
  }
  depth_ = entered;
  return left;
}

ExpressionParser::Parsed ExpressionParser::parse_not() {
  if (!is_name("not")) return parse_comparison();
  FLEX_CHECK(enter());
  Node negated = node(NodeKind::kNot);
  take();
  FLEX_TRY(negated.first, parse_not());
  leave();
  return make(negated);
}

bool ExpressionParser::take_comparison(Operator& op) {
  const bool is_not_in = is_name("not") && next().kind == TokenKind::kName && next().text == "in";
  if (is_not_in) take();
  if (skip_name("in")) {
    op = is_not_in ? Operator::kNotIn : Operator::kIn;
    return true;
  }
  if (current().kind != TokenKind::kOperator) return false;
  const auto found = std::ranges::find(kComparisons, current().text, &Row::first);
  if (found == kComparisons.end()) return false;
  op = found->second;
  take();
  return true;
}

ExpressionParser::Parsed ExpressionParser::parse_comparison() {
  Node comparison = node(NodeKind::kCompare);
  FLEX_TRY(const Node* first, parse_sum());
  std::vector<const Node*> operands = {first};
  std::vector<Operator> ops;
  for (Operator op{}; take_comparison(op);) {
    ops.push_back(op);
    FLEX_TRY(const Node* operand, parse_sum());
    operands.push_back(operand);
  }
  if (ops.empty()) return first;
  FLEX_TRY(comparison.items, copy(operands));
  FLEX_TRY(comparison.ops, arena_.copy(std::span<const Operator>(ops)));
  return make(comparison);
}

ExpressionParser::Parsed ExpressionParser::parse_sum() {
  return parse_left_to_right(kSums, &ExpressionParser::parse_concat);
}

ExpressionParser::Parsed ExpressionParser::parse_concat() {
  Node concat = node(NodeKind::kConcat);
  FLEX_TRY(const Node* first, parse_product());
  std::vector<const Node*> pieces = {first};
  while (skip_operator("~")) {
    FLEX_TRY(const Node* piece, parse_product());
    pieces.push_back(piece);
  }
  if (pieces.size() == 1) return first;
  FLEX_TRY(concat.items, copy(pieces));
  return make(concat);
}

ExpressionParser::Parsed ExpressionParser::parse_product() {
  return parse_left_to_right(kProducts, &ExpressionParser::parse_power);
}

ExpressionParser::Parsed ExpressionParser::parse_power() {
  return parse_left_to_right(kPowers, &ExpressionParser::parse_operand);
}

ExpressionParser::Parsed ExpressionParser::parse_unary(bool with_filters) {
  FLEX_CHECK(enter());
  const Node* operand = nullptr;
  if (is_operator("-") || is_operator("+")) {
    Node sign = node(is_operator("-") ? NodeKind::kNegative : NodeKind::kPositive);
    take();
    FLEX_TRY(sign.first, parse_unary(false));
    FLEX_TRY(operand, make(sign));
  } else {
    FLEX_TRY(operand, parse_primary());
  }
  FLEX_TRY(operand, parse_postfix(operand));
  if (with_filters) {
    FLEX_TRY(operand, parse_filters(operand, false));
  }
  leave();
  return operand;
}

ExpressionParser::Parsed ExpressionParser::parse_primary() {
  switch (current().kind) {
    case TokenKind::kName:
      return parse_name();
    case TokenKind::kString:
      return parse_string();
    case TokenKind::kInteger:
    case TokenKind::kFloat:
      return parse_number();
    default:
      break;
  }
  if (is_operator("(")) return parse_parentheses();
  if (is_operator("[")) return parse_list();
  if (is_operator("{")) return parse_dict();
  return unexpected("an expression");
}

ExpressionParser::Parsed ExpressionParser::parse_name() {
  Node named = node(NodeKind::kName);
  named.name = take().text;
  if (const auto constant = constant_named(named.name)) {
    named.kind = NodeKind::kLiteral;
    named.literal = *constant;
  } else {
    named.symbol = symbols_.add(named.name);
    if (macro_ != nullptr && (named.name == "varargs" || named.name == "kwargs")) {
      macro_->takes_any_arguments = true;
    }
  }
  return make(named);
}

// Strings that follow each other are one.
ExpressionParser::Parsed ExpressionParser::parse_string() {
  Node literal = node(NodeKind::kLiteral);
  std::string bytes;
  while (current().kind == TokenKind::kString) {
    FLEX_TRY(const std::string part, unescape(current()));
    bytes += part;
    take();
  }
  FLEX_TRY(const std::string_view copied, arena_.copy(bytes));
  literal.literal = Text(copied, true);
  return make(literal);
}

ExpressionParser::Parsed ExpressionParser::parse_number() {
  Node literal = node(NodeKind::kLiteral);
  FLEX_TRY(literal.literal, number_value(current()));
  take();
  return make(literal);
}

ExpressionParser::Parsed ExpressionParser::parse_parentheses() {
  Node empty = node(NodeKind::kTuple);
  take();
  if (skip_operator(")")) return make(empty);
  FLEX_TRY(const Node* inner, parse_tuple());
  FLEX_CHECK(expect_operator(")"));
  return inner;
}

ExpressionParser::Parsed ExpressionParser::parse_list() {
  Node list = node(NodeKind::kList);
  take();
  std::vector<const Node*> items;
  while (!is_operator("]")) {
    if (!items.empty()) FLEX_CHECK(expect_operator(","));
    if (is_operator("]")) break;
    FLEX_TRY(const Node* item, parse_expression());
    items.push_back(item);
  }
  take();
  FLEX_TRY(list.items, copy(items));
  return make(list);
}

ExpressionParser::Parsed ExpressionParser::parse_dict() {
  Node dict = node(NodeKind::kDict);
  take();
  std::vector<const Node*> items;
  while (!is_operator("}")) {
    if (!items.empty()) FLEX_CHECK(expect_operator(","));
    if (is_operator("}")) break;
    FLEX_TRY(const Node* key, parse_expression());
    FLEX_CHECK(expect_operator(":"));
    FLEX_TRY(const Node* value, parse_expression());
    items.insert(items.end(), {key, value});
  }
  take();
  FLEX_TRY(dict.items, copy(items));
  return make(dict);
}

ExpressionParser::Parsed ExpressionParser::parse_postfix(const Node* operand) {
  const int entered = depth_;
  while (true) {
    FLEX_CHECK(enter());
    if (is_operator(".")) {
      FLEX_TRY(operand, parse_attribute(operand));
    } else if (is_operator("[")) {
      FLEX_TRY(operand, parse_subscript(operand));
    } else if (is_operator("(")) {
      FLEX_TRY(operand, parse_call(operand));
    } else {
      break;
    }
  }
  depth_ = entered;
  return operand;
}

ExpressionParser::Parsed ExpressionParser::parse_attribute(const Node* operand) {
  Node attribute = node(NodeKind::kAttribute);
  take();
  attribute.first = operand;
  if (current().kind == TokenKind::kInteger) {
    attribute.kind = NodeKind::kSubscript;
    FLEX_TRY(attribute.second, parse_number());
  } else {
    FLEX_TRY(const LexerToken name, expect_name());
    attribute.name = name.text;
  }
  return make(attribute);
}

ExpressionParser::Parsed ExpressionParser::parse_subscript(const Node* operand) {
  Node subscript = node(NodeKind::kSubscript);
  take();
  subscript.first = operand;
  FLEX_TRY(subscript.second, parse_index());
  if (is_operator(",")) return syntax_error(current().line, "an index of several parts is not supported");
  FLEX_CHECK(expect_operator("]"));
  return make(subscript);
}

// "1", or "a:b:c" with any of the three left out.
ExpressionParser::Parsed ExpressionParser::parse_index() {
  Node slice = node(NodeKind::kSlice);
  const Node** parts[] = {&slice.first, &slice.second, &slice.third};
  bool is_slice = false;
  for (size_t i = 0; i < 3; ++i) {
    if (!is_operator(":") && !is_operator("]")) {
      FLEX_TRY(*parts[i], parse_expression());
    }
    if (!skip_operator(":")) break;
    is_slice = true;
  }
  if (is_slice) return make(slice);
  if (slice.first == nullptr) return unexpected("an index");
  return slice.first;
}

ExpressionParser::Parsed ExpressionParser::parse_call(const Node* function) {
  Node call = node(NodeKind::kCall);
  call.first = function;
  FLEX_CHECK(parse_arguments(call));
  return make(call);
}

Status ExpressionParser::parse_arguments(Node& call) {
  FLEX_CHECK(expect_operator("("));
  std::vector<const Node*> positional;
  std::vector<const Node*> keyword_values;
  std::vector<std::string_view> keyword_names;
  for (bool is_first = true; !is_operator(")"); is_first = false) {
    if (!is_first) FLEX_CHECK(expect_operator(","));
    if (is_operator(")")) break;
    if (is_operator("*") || is_operator("**")) {
      return syntax_error(current().line, "arguments that are spread with * or ** are not supported");
    }
    const bool is_keyword =
        current().kind == TokenKind::kName && next().text == "=" && next().kind == TokenKind::kOperator;
    if (is_keyword) {
      keyword_names.push_back(take().text);
      take();
    } else if (!keyword_names.empty()) {
      return syntax_error(current().line, "an argument without a name follows one with a name");
    }
    FLEX_TRY(const Node* value, parse_expression());
    (is_keyword ? keyword_values : positional).push_back(value);
  }
  take();
  FLEX_TRY(call.items, copy(positional));
  FLEX_TRY(call.others, copy(keyword_values));
  FLEX_TRY(call.names, arena_.copy(std::span<const std::string_view>(keyword_names)));
  return {};
}

ExpressionParser::Parsed ExpressionParser::parse_filters(const Node* input, bool begins_with_name) {
  const int entered = depth_;
  while (begins_with_name || is_operator("|") || is_name("is") || (input != nullptr && is_operator("("))) {
    FLEX_CHECK(enter());
    if (is_name("is")) {
      FLEX_TRY(input, parse_test(input));
    } else if (is_operator("(")) {
      FLEX_TRY(input, parse_call(input));
    } else {
      if (!begins_with_name) take();
      Node filter = node(NodeKind::kFilter);
      FLEX_TRY(const LexerToken name, expect_name());
      filter.name = name.text;
      filter.builtin = find_filter(filter.name);
      filter.first = input;
      if (is_operator("(")) FLEX_CHECK(parse_arguments(filter));
      FLEX_TRY(input, make(filter));
    }
    begins_with_name = false;
  }
  depth_ = entered;
  return input;
}

bool ExpressionParser::begins_test_argument() const {
  switch (current().kind) {
    case TokenKind::kName:
      return !is_name("else") && !is_name("or") && !is_name("and") && !is_name("if");
    case TokenKind::kString:
    case TokenKind::kInteger:
    case TokenKind::kFloat:
      return true;
    default:
      return is_operator("[") || is_operator("{");
  }
}

ExpressionParser::Parsed ExpressionParser::parse_test(const Node* operand) {
  Node test = node(NodeKind::kTest);
  take();
  Node negation = node(NodeKind::kNot);
  const bool is_negated = skip_name("not");
  FLEX_TRY(const LexerToken name, expect_name());
  test.name = name.text;
  test.builtin = find_test(test.name);
  test.first = operand;
  if (is_operator("(")) {
    FLEX_CHECK(parse_arguments(test));
  } else if (begins_test_argument()) {
    if (is_name("is")) return syntax_error(current().line, "tests cannot be chained with 'is'");
    FLEX_TRY(const Node* primary, parse_primary());
    FLEX_TRY(const Node* argument, parse_postfix(primary));
    FLEX_TRY(test.items, copy({argument}));
  }
  FLEX_TRY(const Node* made, make(test));
  if (!is_negated) return made;
  negation.first = made;
  return make(negation);
}

Result<Target> ExpressionParser::parse_target(bool with_namespace) {
  Target target;
  std::vector<Symbol> symbols;
  const bool in_parentheses = skip_operator("(");
  target.unpacks = in_parentheses;
  while (true) {
    FLEX_TRY(const LexerToken name, expect_name());
    if (constant_named(name.text))
      return syntax_error(name.line, fmt::format("cannot assign to {}", name.text));
    symbols.push_back(symbols_.add(name.text));
    if (with_namespace && symbols.size() == 1 && skip_operator(".")) {
      FLEX_TRY(const LexerToken member, expect_name());
      target.member = member.text;
      break;
    }
    if (!skip_operator(",")) break;
    target.unpacks = true;
    if (current().kind != TokenKind::kName || is_name("in")) break;
  }
  if (in_parentheses) FLEX_CHECK(expect_operator(")"));
  FLEX_TRY(target.symbols, arena_.copy(std::span<const Symbol>(symbols)));
  return target;
}

Status ExpressionParser::parse_parameters(Node& macro) {
  std::vector<Symbol> symbols;
  std::vector<std::string_view> names;
  std::vector<const Node*> defaults;
  FLEX_CHECK(expect_operator("("));
  while (!is_operator(")")) {
    if (!symbols.empty()) FLEX_CHECK(expect_operator(","));
    if (is_operator(")")) break;
    FLEX_TRY(const LexerToken name, expect_name());
    symbols.push_back(symbols_.add(name.text));
    names.push_back(name.text);
    if (skip_operator("=")) {
      FLEX_TRY(const Node* value, parse_expression());
      defaults.push_back(value);
    } else if (!defaults.empty()) {
      return syntax_error(name.line, "a parameter without a default follows one with a default");
    }
  }
  take();
  FLEX_TRY(macro.target.symbols, arena_.copy(std::span<const Symbol>(symbols)));
  FLEX_TRY(macro.names, arena_.copy(std::span<const std::string_view>(names)));
  FLEX_TRY(macro.others, copy(defaults));
  return {};
}

}  // namespace flexinfer::jinja
