// What `loop` knows inside of a {% for %}.
#pragma once

#include <string_view>

#include "text/template/sandbox.h"
#include "text/template/value.h"

namespace flexinfer::jinja {

// `value` is the loop as a value.
Result<Value> loop_attribute(Loop& loop, const Value& value, std::string_view name, Sandbox& sandbox);

}  // namespace flexinfer::jinja
