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
