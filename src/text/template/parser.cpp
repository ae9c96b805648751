#include "text/template/parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "gguf/quote.h"

namespace flexinfer::jinja {
namespace {

using Names = std::initializer_list<std::string_view>;

class StatementParser : private ExpressionParser {
 public:
  using ExpressionParser::ExpressionParser;

  Result<Nodes> parse_template() { return parse_body({}); }

 private:
  // What stands up to a tag of one of these names, which is left to be read; up to the end where there are
  // none.
  Result<Nodes> parse_body(Names ends) {
    FLEX_CHECK(enter());
    std::vector<const Node*> body;
    const uint32_t line = current().line;
    while (current().kind != TokenKind::kEnd) {
      if (current().kind == TokenKind::kTagBegin) {
        take();
        if (std::ranges::find(ends, current().text) != ends.end()) break;
      }
      FLEX_TRY(const Node* statement, parse_piece());
      body.push_back(statement);
    }
    if (current().kind == TokenKind::kEnd && ends.size() > 0) {
      return syntax_error(line, fmt::format("the block is not closed by {{% {} %}}", *(ends.end() - 1)));
    }
    leave();
    return copy(body);
  }

  // The tag's beginning has been read, where it is one.
  Parsed parse_piece() {
    if (current().kind == TokenKind::kName) return parse_statement();
    if (current().kind == TokenKind::kData) {
      Node data = node(NodeKind::kData);
      data.literal = Text(take().text, true);
      return make(data);
    }
    if (current().kind != TokenKind::kOutputBegin) return unexpected("the name of a tag");
    Node output = node(NodeKind::kOutput);
    take();
    FLEX_TRY(output.first, parse_tuple());
    if (current().kind != TokenKind::kOutputEnd) return unexpected("}}");
    take();
    return make(output);
  }

  Status end_tag() {
    if (current().kind != TokenKind::kTagEnd) return unexpected("%}");
    take();
    return {};
  }

  // The rest of a tag, the block's body and its closing tag.
  Result<Nodes> parse_block(std::string_view end) {
    FLEX_CHECK(end_tag());
    FLEX_TRY(const Nodes body, parse_body({end}));
    take();
    FLEX_CHECK(end_tag());
    return body;
  }

  Parsed parse_statement() {
    using Parse = Parsed (StatementParser::*)();
    struct Row {
      std::string_view name;
      Parse parse;
    };
    constexpr auto kTags = std::to_array<Row>({{"if", &StatementParser::parse_if},
                                               {"for", &StatementParser::parse_for},
                                               {"set", &StatementParser::parse_set},
                                               {"macro", &StatementParser::parse_macro},
                                               {"call", &StatementParser::parse_call_block},
                                               {"filter", &StatementParser::parse_filter_block},
                                               {"with", &StatementParser::parse_with},
                                               {"generation", &StatementParser::parse_generation},
                                               {"break", &StatementParser::parse_break},
                                               {"continue", &StatementParser::parse_continue}});
    const auto row = std::ranges::find(kTags, current().text, &Row::name);
    if (row == kTags.end()) {
      return syntax_error(current().line, fmt::format("the tag {} is not supported or not expected here",
                                                      quote(current().text)));
    }
    return (this->*row->parse)();
  }

  Parsed parse_if() {
    FLEX_CHECK(enter());
    Node branch = node(NodeKind::kIf);
    take();
    FLEX_TRY(branch.first, parse_tuple(false));
    FLEX_CHECK(end_tag());
    FLEX_TRY(branch.items, parse_body({"elif", "else", "endif"}));
    if (is_name("elif")) {
      FLEX_TRY(const Node* next, parse_if());  // reads up to endif
      FLEX_TRY(branch.others, copy({next}));
    } else {
      if (skip_name("else")) {
        FLEX_TRY(branch.others, parse_block("endif"));
      } else {
        take();
        FLEX_CHECK(end_tag());
      }
    }
    leave();
    return make(branch);
  }

  Parsed parse_for() {
    Node loop = node(NodeKind::kFor);
    take();
    FLEX_TRY(loop.target, parse_target(false));
    if (!skip_name("in")) return unexpected("in");
    FLEX_TRY(loop.first, parse_tuple(false));
    if (skip_name("if")) {
      FLEX_TRY(loop.second, parse_expression());
    }
    if (is_name("recursive")) return syntax_error(current().line, "recursive loops are not supported");
    FLEX_CHECK(end_tag());
    ++n_loops_;
    FLEX_TRY(loop.items, parse_body({"else", "endfor"}));
    --n_loops_;
    if (skip_name("else")) {
      FLEX_TRY(loop.others, parse_block("endfor"));
    } else {
      take();
      FLEX_CHECK(end_tag());
    }
    return make(loop);
  }

  Parsed parse_set() {
    Node assignment = node(NodeKind::kSet);
    take();
    FLEX_TRY(assignment.target, parse_target(true));
    if (skip_operator("=")) {
      FLEX_TRY(assignment.first, parse_tuple());
      FLEX_CHECK(end_tag());
      return make(assignment);
    }
    assignment.kind = NodeKind::kSetBlock;
    FLEX_TRY(assignment.first, parse_filters(nullptr, false));
    FLEX_TRY(assignment.items, parse_block("endset"));
    return make(assignment);
  }

  // The body of a macro: what belongs to the loops and macros around it does not reach into it.
  Result<Nodes> parse_macro_body(Node& macro, std::string_view end) {
    Node* outer = std::exchange(macro_, &macro);
    const int n_loops = std::exchange(n_loops_, 0);
    FLEX_TRY(const Nodes body, parse_block(end));
    macro_ = outer;
    n_loops_ = n_loops;
    return body;
  }

  Parsed parse_macro() {
    Node macro = node(NodeKind::kMacro);
    take();
    FLEX_TRY(const LexerToken name, expect_name());
    macro.name = name.text;
    macro.symbol = symbols_.add(name.text);
    FLEX_CHECK(parse_parameters(macro));
    FLEX_TRY(macro.items, parse_macro_body(macro, "endmacro"));
    return make(macro);
  }

  Parsed parse_call_block() {
    Node call = node(NodeKind::kCallBlock);
    Node caller = node(NodeKind::kMacro);
    take();
    caller.name = "caller";
    caller.symbol = symbols_.add(caller.name);
    if (is_operator("(")) FLEX_CHECK(parse_parameters(caller));
    FLEX_TRY(call.first, parse_expression());
    if (call.first->kind != NodeKind::kCall) return unexpected("a call");
    FLEX_TRY(caller.items, parse_macro_body(caller, "endcall"));
    FLEX_TRY(call.second, make(caller));
    return make(call);
  }

  Parsed parse_filter_block() {
    Node block = node(NodeKind::kFilterBlock);
    take();
    FLEX_TRY(block.first, parse_filters(nullptr, true));
    FLEX_TRY(block.items, parse_block("endfilter"));
    return make(block);
  }

  Parsed parse_with() {
    Node with = node(NodeKind::kWith);
    take();
    std::vector<const Node*> assignments;
    while (current().kind == TokenKind::kName) {
      Node assignment = node(NodeKind::kSet);
      FLEX_TRY(assignment.target, parse_target(false));
      FLEX_CHECK(expect_operator("="));
      FLEX_TRY(assignment.first, parse_expression());
      FLEX_TRY(const Node* made, make(assignment));
      assignments.push_back(made);
      if (!skip_operator(",")) break;
    }
    FLEX_TRY(with.others, copy(assignments));
    FLEX_TRY(with.items, parse_block("endwith"));
    return make(with);
  }

  // Marks the text that a model is trained to write; only its body counts here.
  Parsed parse_generation() {
    Node block = node(NodeKind::kBlock);
    take();
    FLEX_TRY(block.items, parse_block("endgeneration"));
    return make(block);
  }

  Parsed parse_break() { return parse_jump(NodeKind::kBreak); }
  Parsed parse_continue() { return parse_jump(NodeKind::kContinue); }
  Parsed parse_jump(NodeKind kind) {
    const Node jump = node(kind);
    if (n_loops_ == 0) {
      return syntax_error(current().line, fmt::format("{} stands outside of a loop", quote(current().text)));
    }
    take();
    FLEX_CHECK(end_tag());
    return make(jump);
  }

  int n_loops_ = 0;  // around what is being read
};

}  // namespace

Result<Nodes> parse(std::string_view source, Arena& arena, Symbols& symbols) {
  FLEX_TRY(const std::vector<LexerToken> tokens, tokenize(source));
  return StatementParser(tokens, arena, symbols).parse_template();
}

}  // namespace flexinfer::jinja
