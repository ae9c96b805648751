// A template's source to its syntax tree.
#pragma once

#include <string_view>

#include "base/result.h"
#include "text/template/arena.h"
#include "text/template/expression_parser.h"
#include "text/template/syntax.h"

namespace flexinfer::jinja {

// The source must have normal line breaks (normalize_newlines) and outlive the tree, as must the arena.
// kUnsupported, naming line and construct, where the source is not a template or uses what is not known here.
Result<Nodes> parse(std::string_view source, Arena& arena, Symbols& symbols);

}  // namespace flexinfer::jinja
