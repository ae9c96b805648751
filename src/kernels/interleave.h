// Rows of quantised weights laid out for a vector: what a kernel loads together lies together.
//
// Rows r = 0 .. n - 1, a panel, keep the place that they had one after the other, but stand in it block by
// block. Of a block, each unit stands row by row: the unit at byte `offset` of a block begins, in row r, at
// n * offset + r * (bytes of the unit). Units are words of four bytes, and the one or two bytes that a block
// has beside whole words: at its beginning where it holds 32 weights, at its end where it holds more.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/ggml_type.h"

namespace flexinfer {

// The rows of the largest panel that any instruction set works with.
inline constexpr int64_t kMostPanelRows = 32;

// Whether a type has a layout of its own: those that are multiplied with 8-bit activations.
bool has_panels(GgmlType type);

// The panel of n_rows rows of a type that has them, `row_bytes` apart, to `out`: n_rows * row_bytes bytes
// that do not overlap the rows. Rows lie without gaps.
void interleave_rows(GgmlType type, const std::byte* rows, size_t row_bytes, int64_t n_rows, std::byte* out);

// Row `row` of such a panel as it lay in the file.
void copy_interleaved_row(GgmlType type, const std::byte* panel, size_t row_bytes, int64_t n_rows,
                          int64_t row, std::byte* out);

}  // namespace flexinfer
