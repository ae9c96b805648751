// The syntax tree of a template.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "text/template/value.h"

namespace flexinfer::jinja {

enum class NodeKind : uint8_t {
  // Expressions
  kLiteral,      // literal
  kName,         // symbol
  kList,         // items
  kTuple,        // items
  kDict,         // items: key, value, key, value ...
  kNot,          // first
  kNegative,     // first
  kPositive,     // first
  kAnd,          // first, second
  kOr,           // first, second
  kBinary,       // first op second
  kConcat,       // items joined by ~
  kCompare,      // items; ops between them
  kConditional,  // first if second else third (may be nullptr)
  kAttribute,    // first.name
  kSubscript,    // first[second]
  kSlice,        // first:second:third, each may be nullptr; only within a subscript
  kCall,         // first(items, names=others)
  kFilter,       // first | name(items, names=others); first is nullptr for what a block gives
  kTest,         // first is name(items)
  // Statements
  kData,         // literal
  kOutput,       // first
  kIf,           // first; items if it is true, else others
  kFor,          // target in first if second; items for each, others where there is none
  kSet,          // target = first
  kSetBlock,     // target = items, through the filters first
  kMacro,        // name(symbols=defaults); items
  kCallBlock,    // first, a call, with the macro second as caller
  kFilterBlock,  // items, through the filters first
  kWith,         // items, with the assignments others
  kBlock,        // items, in a scope of their own
  kBreak,
  kContinue,
};

enum class Operator : uint8_t {
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kFloorDivide,
  kModulo,
  kPower,
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn,
  kNotIn,
};

using Symbol = uint32_t;  // a name of the template, numbered
// The names that blocks define by themselves.
inline constexpr Symbol kLoop = 0;
inline constexpr Symbol kCaller = 1;
inline constexpr Symbol kVarargs = 2;
inline constexpr Symbol kKwargs = 3;

struct Node;
using Nodes = std::span<const Node* const>;

// What is assigned to: one variable, several, or a member of a namespace.
struct Target {
  std::span<const Symbol> symbols;
  bool unpacks = false;     // even where there is only one symbol
  std::string_view member;  // of the namespace in the only symbol; empty where it is a variable
};

struct Node {
  NodeKind kind = NodeKind::kLiteral;
  Operator op = Operator::kAdd;
  bool takes_any_arguments = false;  // a macro that uses `varargs` or `kwargs`
  uint32_t line = 1;
  Symbol symbol = 0;
  std::string_view name = {};
  Value literal = {};
  const Node* first = nullptr;
  const Node* second = nullptr;
  const Node* third = nullptr;
  Nodes items = {};
  Nodes others = {};
  std::span<const std::string_view> names = {};  // of keyword arguments
  std::span<const Operator> ops = {};
  Target target = {};         // in macros: the parameters
  Builtin builtin = nullptr;  // of a filter or test; nullptr where there is none of this name
};

// "the filter 'tojson'", for messages.
std::string describe(const Node& node);

}  // namespace flexinfer::jinja
