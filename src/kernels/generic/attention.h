// Attention over one block of a cache, for plain C++. The contracts are CacheStoreFn, AttentionScoresFn
// and AttentionValuesFn (kernels/kernel_table.h); one function per CacheType.
#pragma once

#include "kernels/kernel_table.h"

namespace flexinfer::generic {

void cache_store_f32(const float* in, std::byte* out, int64_t head_dim);
void cache_store_f16(const float* in, std::byte* out, int64_t head_dim);
void cache_store_q8_0(const float* in, std::byte* out, int64_t head_dim);

void attention_scores_f32(const AttentionScoresArgs& args);
void attention_scores_f16(const AttentionScoresArgs& args);
void attention_scores_q8_0(const AttentionScoresArgs& args);

void attention_values_f32(const AttentionValuesArgs& args);
void attention_values_f16(const AttentionValuesArgs& args);
void attention_values_q8_0(const AttentionValuesArgs& args);

}  // namespace flexinfer::generic
