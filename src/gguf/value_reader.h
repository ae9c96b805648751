// Reads one metadata value of a GGUF file.
#pragma once

#include "base/result.h"
#include "gguf/header_cursor.h"
#include "gguf/metadata.h"

namespace flexinfer::gguf {

// How deep arrays may lie in one another; no known key goes beyond two.
inline constexpr int kDeepestArray = 8;

// Reads a value's type and the value. Errors: of the cursor; kCorrupt for an unknown type, for a bool other
// than 0 and 1 and for arrays nested deeper than kDeepestArray.
Result<MetadataValue> read_value(HeaderCursor& cursor);

}  // namespace flexinfer::gguf
