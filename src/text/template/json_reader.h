// JSON to values.
#pragma once

#include <string_view>

#include "base/result.h"
#include "text/template/sandbox.h"
#include "text/template/value.h"

namespace flexinfer::jinja {

// The texts in it are not the template's own, but for the name of a known role under a key "role": it says
// nothing that could spell a special token, and templates build the names of such tokens from it. kUsage
// where the text is not JSON.
Result<Value> read_json(std::string_view text, Sandbox& sandbox);

}  // namespace flexinfer::jinja
