// What is done to one row of activations, for plain C++. The contracts are those of KernelTable's members
// (kernels/kernel_table.h).
#pragma once

#include "kernels/kernel_table.h"

namespace flexinfer::generic {

void quantise_row(const float* in, int64_t cols, Q8Row out);
void rms_norm(const float* in, const float* weight, int64_t n, float epsilon, float* out);
void softmax(float* x, int64_t n);
SoftmaxSum softmax_weights(float* x, int64_t n);
void silu_multiply(const float* gate, const float* up, int64_t n, float* out);
void gelu_multiply(const float* gate, const float* up, int64_t n, float* out);
void swiglu_clamped(const float* gate, const float* up, int64_t n, float alpha, float limit, float* out);
void add(const float* y, int64_t n, float* x);
void scale(float factor, int64_t n, float* x);
void blend(float factor, const float* y, float y_factor, int64_t n, float* x);
void soft_cap(float factor, float cap, int64_t n, float* x);
void rope_adjacent(float* x, const float* cosines, const float* sines, int64_t n_pairs);
void rope_halves(float* x, const float* cosines, const float* sines, int64_t n_pairs);

}  // namespace flexinfer::generic
