// The scalar reference of every computable weight type: what a block means, and how one is made.
// Formats: ggml's quantised block layouts, little-endian.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/ggml_type.h"
#include "quant/half.h"

namespace flexinfer {

// Whether the functions below and the kernels know the type.
bool is_computable(GgmlType type);

// One row of `cols` elements (whole blocks) to floats, exactly as ggml's reference does. Requires
// is_computable(type).
void dequantize_row(GgmlType type, const std::byte* row, int64_t cols, float* out);

// Whether quantize_row knows the type.
bool is_quantizable(GgmlType type);

// Floats to a row. F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1: as ggml's reference quantiser does, bit for
// bit. Q4_K, Q5_K, Q6_K: with scales of its own search; the values are finite. False for other types (nothing
// is written).
bool quantize_row(GgmlType type, const float* in, int64_t cols, std::byte* row);

}  // namespace flexinfer
