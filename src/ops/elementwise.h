// Operations on rows of activations, one row a token.
#pragma once

#include <cstddef>
#include <span>

#include "base/ggml_type.h"
#include "ops/compute.h"

namespace flexinfer {

// out.row(t) = in.row(t) / sqrt(mean(in.row(t)^2) + epsilon) * weight. RMSNorm, Zhang and Sennrich 2019.
void rms_norm(const Compute& compute, const Rows& in, std::span<const float> weight, float epsilon,
              const Rows& out);

// rows.row(t) += addend, the same for every token.
void add_bias(const Compute& compute, std::span<const float> addend, const Rows& rows);

// rows.row(t) += addend.row(t)
void add_rows(const Compute& compute, const Rows& addend, const Rows& rows);

// gate.row(t) = silu(gate.row(t)) * up.row(t). SwiGLU, Shazeer 2020.
void silu_multiply(const Compute& compute, const Rows& gate, const Rows& up);

// Weight rows as they lie in a file, one per row of `out`, to floats; the type is one that can be multiplied
// with.
void dequantize_rows(const Compute& compute, GgmlType type, const std::byte* weights, size_t row_bytes,
                     const Rows& out);

}  // namespace flexinfer
