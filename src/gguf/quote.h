// Text that came from a file, made fit for a message of one line.
#pragma once

#include <string>
#include <string_view>

namespace flexinfer {

// 'text' in quotes. Quotes, backslashes, control characters and all bytes outside ASCII become \xNN; a text
// of more than 64 bytes is cut and ends in "...".
std::string quote(std::string_view text);

}  // namespace flexinfer
