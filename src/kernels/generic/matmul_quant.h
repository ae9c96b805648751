// Products of quantised weights and 8-bit activations (Q8Row), in plain C++: the meaning that the other
// instruction sets are tested against.
// One MatmulFn per weight type; the contract is MatmulArgs in kernels/kernel_table.h.
#pragma once

#include "kernels/kernel_table.h"

namespace flexinfer::generic {

// Blocks of 32 weights: cols is a multiple of 32.
void matmul_q4_0(const MatmulArgs& args);
void matmul_q4_1(const MatmulArgs& args);
void matmul_q5_0(const MatmulArgs& args);
void matmul_q5_1(const MatmulArgs& args);
void matmul_q8_0(const MatmulArgs& args);
void matmul_iq4_nl(const MatmulArgs& args);
void matmul_mxfp4(const MatmulArgs& args);

// Super-blocks of 256 weights: cols is a multiple of 256.
void matmul_q2_k(const MatmulArgs& args);
void matmul_q3_k(const MatmulArgs& args);
void matmul_q4_k(const MatmulArgs& args);
void matmul_q5_k(const MatmulArgs& args);
void matmul_q6_k(const MatmulArgs& args);
void matmul_iq4_xs(const MatmulArgs& args);

}  // namespace flexinfer::generic
