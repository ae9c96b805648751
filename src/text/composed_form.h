// Unicode's composed normal form (NFC).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace flexinfer {

// False only where the text, well-formed UTF-8, is certainly in composed form: a cheap test.
bool may_need_composition(std::string_view text);

// The composed form of well-formed UTF-8. Time is n log n, whatever the text.
Result<std::string> composed_form(std::string_view text);

}  // namespace flexinfer
