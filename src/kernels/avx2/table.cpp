#include "kernels/avx2/table.h"

#include "kernels/avx2/attention.h"
#include "kernels/avx2/elementwise.h"
#include "kernels/avx2/matmul_float.h"
#include "kernels/avx2/matmul_quant.h"

namespace flexinfer::avx2 {

constinit const KernelTable kTable = {
    .name = "avx2",
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
    }},
    .quantise_row = quantise_row,
    .rms_norm = rms_norm,
    .softmax = softmax,
    .silu_multiply = silu_multiply,
    .add = add,
    .rope_adjacent = rope_adjacent,
    .cache_store = {cache_store_f32, cache_store_f16, cache_store_q8_0},
    .attention_scores = {attention_scores_f32, attention_scores_f16, attention_scores_q8_0},
    .attention_values = {attention_values_f32, attention_values_f16, attention_values_q8_0},
};

}  // namespace flexinfer::avx2
