// What is done to one row of activations, for AVX-512 F, BW, DQ, VL and VNNI. The contracts are those of
// KernelTable's members (kernels/kernel_table.h).
#pragma once

#include "kernels/kernel_table.h"

namespace flexinfer::avx512 {

void quantise_row(const float* in, int64_t cols, Q8Row out);
void rms_norm(const float* in, const float* weight, int64_t n, float epsilon, float* out);
void softmax(float* x, int64_t n);
void silu_multiply(const float* gate, const float* up, int64_t n, float* out);
void add(const float* y, int64_t n, float* x);
void rope_adjacent(float* x, const float* cosines, const float* sines, int64_t n_pairs);

}  // namespace flexinfer::avx512
