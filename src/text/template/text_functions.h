// What both filters and methods do with texts.
#pragma once

#include <optional>
#include <vector>

#include "text/template/sandbox.h"
#include "text/template/value.h"

namespace flexinfer::jinja {

// At most n times where n is not negative.
Result<Text> replace(const Text& text, const Text& old, const Text& with, int64_t n, Sandbox& sandbox);

// All in one case.
Result<Text> in_case(const Text& text, bool upper, Sandbox& sandbox);
// The first letter of the text large, all others small.
Result<Text> capitalized(const Text& text, Sandbox& sandbox);
// The same for every word, which begins where `begins_word` says so of the character before.
Result<Text> titled(const Text& text, bool (*begins_word)(uint32_t before), Sandbox& sandbox);

// The lines without their ends, or with them.
Result<std::vector<Text>> split_lines(const Text& text, bool keep_ends, Sandbox& sandbox);

// The items with `separator` between them.
Result<Text> join(std::span<const Value> items, const Text& separator, Sandbox& sandbox);

Result<Value> list_of(const std::vector<Text>& texts, Sandbox& sandbox);

}  // namespace flexinfer::jinja
