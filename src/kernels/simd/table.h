// The table of an instruction set. What it must supply: FloatIsa as float_vector.h says, QuantIsa as
// matmul_quant_panel.h says. Both stand in the instruction set's own namespace, so that what is instantiated
// with them bears its name and is never taken for the code of another.
#pragma once

#include "kernels/interleave.h"
#include "kernels/kernel_table.h"
#include "kernels/simd/attention.h"
#include "kernels/simd/elementwise.h"
#include "kernels/simd/float_product.h"
#include "kernels/simd/matmul_quant.h"
#include "kernels/simd/matmul_quant_32.h"
#include "kernels/simd/matmul_quant_k.h"
#include "kernels/simd/matmul_quant_levels.h"

namespace flexinfer::simd {

template <class FloatIsa, class QuantIsa>
constexpr KernelTable make_table(const char* name) {
  using F32 = F32Row<FloatIsa>;
  using F16 = F16Row<FloatIsa>;
  using Q8 = Q8_0Row<FloatIsa>;
  static_assert(kPanelRows<QuantIsa> <= kMostPanelRows);
  return {
      .name = name,
      .panel_rows = kPanelRows<QuantIsa>,
      .matmuls = {{
          {GgmlType::kF32, multiply_floats<F32>},
          {GgmlType::kF16, multiply_floats<F16>},
          {GgmlType::kBF16, multiply_floats<BF16Row<FloatIsa>>},
          {GgmlType::kQ8_0, multiply<Q8_0<QuantIsa>>},
          {GgmlType::kQ4_0, multiply<Q4_0<QuantIsa>>},
          {GgmlType::kQ4_1, multiply<Q4_1<QuantIsa>>},
          {GgmlType::kQ5_0, multiply<Q5_0<QuantIsa>>},
          {GgmlType::kQ5_1, multiply<Q5_1<QuantIsa>>},
          {GgmlType::kQ2_K, multiply<Q2_K<QuantIsa>>},
          {GgmlType::kQ3_K, multiply<Q3_K<QuantIsa>>},
          {GgmlType::kQ4_K, multiply<Q4_K<QuantIsa>>},
          {GgmlType::kQ5_K, multiply<Q5_K<QuantIsa>>},
          {GgmlType::kQ6_K, multiply<Q6_K<QuantIsa>>},
          {GgmlType::kIQ4_NL, multiply<IQ4_NL<QuantIsa>>},
          {GgmlType::kIQ4_XS, multiply<IQ4_XS<QuantIsa>>},
          {GgmlType::kMXFP4, multiply<MXFP4<QuantIsa>>},
      }},
      .quantise_row = quantise_row<FloatIsa>,
      .rms_norm = rms_norm<FloatIsa>,
      .softmax = softmax<FloatIsa>,
      .softmax_weights = softmax_weights<FloatIsa>,
      .silu_multiply = silu_multiply<FloatIsa>,
      .gelu_multiply = gelu_multiply<FloatIsa>,
      .swiglu_clamped = swiglu_clamped<FloatIsa>,
      .add = add<FloatIsa>,
      .scale = scale<FloatIsa>,
      .blend = blend<FloatIsa>,
      .soft_cap = soft_cap<FloatIsa>,
      .rope_adjacent = rope_adjacent<FloatIsa>,
      .rope_halves = rope_halves<FloatIsa>,
      .cache_store = {cache_store_f32<FloatIsa>, cache_store_f16<FloatIsa>, cache_store_q8_0<FloatIsa>},
      .attention_scores = {attention_scores<F32>, attention_scores<F16>, attention_scores<Q8>},
      .attention_values = {attention_values<F32>, attention_values<F16>, attention_values<Q8>},
  };
}

}  // namespace flexinfer::simd
