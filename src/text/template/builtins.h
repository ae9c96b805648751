// The filters, tests, functions and methods that templates may use.
#pragma once

#include <string_view>

#include "text/template/value.h"

namespace flexinfer::jinja {

// nullptr where there is none of this name.
Builtin find_filter(std::string_view name);
Builtin find_test(std::string_view name);
Builtin find_function(std::string_view name);
// Of texts, lists and dictionaries.
Builtin find_method(const Value& self, std::string_view name);
// Whether Python has a method of this name that would change `self`, which no template may do.
bool is_forbidden_method(const Value& self, std::string_view name);

}  // namespace flexinfer::jinja
