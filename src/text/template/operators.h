// What operators do, as in Python.
#pragma once

#include <compare>
#include <vector>

#include "text/template/sandbox.h"
#include "text/template/syntax.h"
#include "text/template/value.h"

namespace flexinfer::jinja {

Result<bool> equal(const Value& a, const Value& b, Sandbox& sandbox);
// kUnsupported where the two cannot be ordered.
Result<std::partial_ordering> order(const Value& a, const Value& b, Sandbox& sandbox);
Result<bool> contains(const Value& container, const Value& item, Sandbox& sandbox);
// Any comparison: ==, <, in ...
Result<bool> compare(Operator op, const Value& a, const Value& b, Sandbox& sandbox);

// + - * / // % **
Result<Value> calculate(Operator op, const Value& a, const Value& b, Sandbox& sandbox);
Result<Value> negative(const Value& value);

// "%s of %d" % (a, b).
Result<Value> format_percent(const Text& format, std::span<const Value> arguments, Sandbox& sandbox);

// value.name: a method or a member.
Result<Value> attribute(const Value& value, std::string_view name, Sandbox& sandbox);
// value[key]
Result<Value> subscript(const Value& value, const Value& key, Sandbox& sandbox);
struct SliceBounds {
  const Value* begin = nullptr;  // nullptr or None: left out
  const Value* end = nullptr;
  const Value* step = nullptr;
};
Result<Value> slice(const Value& value, const SliceBounds& bounds, Sandbox& sandbox);

// What a loop over the value sees: items, keys or characters.
Result<std::span<const Value>> iterate(const Value& value, Sandbox& sandbox);

// An error about a value that does not fit: "MESSAGE (int and str)".
tl::unexpected<Error> type_error(std::string_view message, const Value& a, const Value& b);
// "'x' is undefined", where `value` is undefined.
Status require_defined(const Value& value);

}  // namespace flexinfer::jinja
