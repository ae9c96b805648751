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

// The same for every head of every row, in place: a row holds heads of weight.size() values one after the
// other.
void rms_norm_heads(const Compute& compute, std::span<const float> weight, float epsilon, const Rows& heads);

// rows.row(t) += addend, the same for every token.
void add_bias(const Compute& compute, std::span<const float> addend, const Rows& rows);

// rows.row(t) += addend.row(t)
void add_rows(const Compute& compute, const Rows& addend, const Rows& rows);

// gate.row(t) = silu(gate.row(t)) * up.row(t). SwiGLU, Shazeer 2020.
void silu_multiply(const Compute& compute, const Rows& gate, const Rows& up);

// gate.row(t) = gelu(gate.row(t)) * up.row(t), gelu by its approximation with tanh. GEGLU, Shazeer 2020.
void gelu_multiply(const Compute& compute, const Rows& gate, const Rows& up);

// gate.row(t) = g * sigmoid(alpha * g) * (u + 1) with g = min(gate, limit) and u = up within [-limit, limit]:
// what gpt-oss puts for SwiGLU (its reference implementation: alpha 1.702, limit 7).
void swiglu_clamped(const Compute& compute, float alpha, float limit, const Rows& gate, const Rows& up);

// rows.row(t) *= factor
void scale_rows(const Compute& compute, float factor, const Rows& rows);

// rows.row(t) = cap * tanh(rows.row(t) / cap). Gemma 2's bound on logits.
void soft_cap_rows(const Compute& compute, float cap, const Rows& rows);

// Weight rows as they lie in a file, one per row of `out`, to floats; the type is one that can be multiplied
// with.
void dequantize_rows(const Compute& compute, GgmlType type, const std::byte* weights, size_t row_bytes,
                     const Rows& out);

}  // namespace flexinfer
