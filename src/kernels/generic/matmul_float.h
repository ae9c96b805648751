// Products of float weights and float activations, for plain C++.
// One MatmulFn per weight type; the contract is MatmulArgs in kernels/kernel_table.h. cols may be any number.
#pragma once

#include "kernels/kernel_table.h"

namespace flexinfer::generic {

void matmul_f32(const MatmulArgs& args);
void matmul_f16(const MatmulArgs& args);
void matmul_bf16(const MatmulArgs& args);

}  // namespace flexinfer::generic
