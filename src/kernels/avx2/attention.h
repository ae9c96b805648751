// One head's attention over its cache, for AVX2, FMA and F16C. The contracts are CacheStoreFn,
// AttentionScoresFn and AttentionValuesFn (kernels/kernel_table.h); one function per CacheType.
#pragma once

#include "kernels/kernel_table.h"

namespace flexinfer::avx2 {

void cache_store_f32(const float* in, std::byte* out, int64_t head_dim);
void cache_store_f16(const float* in, std::byte* out, int64_t head_dim);
void cache_store_q8_0(const float* in, std::byte* out, int64_t head_dim);

void attention_scores_f32(const float* q, const std::byte* keys, int64_t n, int64_t head_dim, float scale,
                          float* scores);
void attention_scores_f16(const float* q, const std::byte* keys, int64_t n, int64_t head_dim, float scale,
                          float* scores);
void attention_scores_q8_0(const float* q, const std::byte* keys, int64_t n, int64_t head_dim, float scale,
                           float* scores);

void attention_values_f32(const float* weights, const std::byte* values, int64_t n, int64_t head_dim,
                          float* out);
void attention_values_f16(const float* weights, const std::byte* values, int64_t n, int64_t head_dim,
                          float* out);
void attention_values_q8_0(const float* weights, const std::byte* values, int64_t n, int64_t head_dim,
                           float* out);

}  // namespace flexinfer::avx2
