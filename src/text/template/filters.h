// The filters, grouped by what they work on.
#pragma once

#include <string_view>

#include "text/template/value.h"

namespace flexinfer::jinja {

// nullptr where the group has none of this name; builtins.h has all of them.
Builtin find_text_filter(std::string_view name);
Builtin find_value_filter(std::string_view name);
Builtin find_list_filter(std::string_view name);

}  // namespace flexinfer::jinja
