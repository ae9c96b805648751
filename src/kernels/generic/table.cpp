#include "kernels/generic/table.h"

#include "kernels/generic/attention.h"
#include "kernels/generic/elementwise.h"
#include "kernels/generic/matmul_float.h"
#include "kernels/generic/matmul_quant.h"

namespace flexinfer::generic {

constinit const KernelTable kTable = {
    .name = "generic",
    .panel_rows = 0,
    .matmuls = {{
        {GgmlType::kF32, matmul_f32},
        {GgmlType::kF16, matmul_f16},
        {GgmlType::kBF16, matmul_bf16},
        {GgmlType::kQ8_0, matmul_q8_0},
        {GgmlType::kQ4_0, matmul_q4_0},
        {GgmlType::kQ4_1, matmul_q4_1},
        {GgmlType::kQ5_0, matmul_q5_0},
        {GgmlType::kQ5_1, matmul_q5_1},
        {GgmlType::kQ2_K, matmul_q2_k},
        {GgmlType::kQ3_K, matmul_q3_k},
        {GgmlType::kQ4_K, matmul_q4_k},
        {GgmlType::kQ5_K, matmul_q5_k},
        {GgmlType::kQ6_K, matmul_q6_k},
        {GgmlType::kIQ4_NL, matmul_iq4_nl},
        {GgmlType::kIQ4_XS, matmul_iq4_xs},
        {GgmlType::kMXFP4, matmul_mxfp4},
    }},
    .quantise_row = quantise_row,
    .rms_norm = rms_norm,
    .softmax = softmax,
    .softmax_weights = softmax_weights,
    .silu_multiply = silu_multiply,
    .gelu_multiply = gelu_multiply,
    .swiglu_clamped = swiglu_clamped,
    .add = add,
    .scale = scale,
    .blend = blend,
    .soft_cap = soft_cap,
    .rope_adjacent = rope_adjacent,
    .rope_halves = rope_halves,
    .cache_store = {cache_store_f32, cache_store_f16, cache_store_q8_0},
    .attention_scores = {attention_scores_f32, attention_scores_f16, attention_scores_q8_0},
    .attention_values = {attention_values_f32, attention_values_f16, attention_values_q8_0},
};

}  // namespace flexinfer::generic
