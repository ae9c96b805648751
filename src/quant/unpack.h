// Blocks as small integers with their scales: where every scalar routine that reads quantised weights begins.
#pragma once

#include <cstdint>

#include "quant/blocks.h"

namespace flexinfer {

inline constexpr int kWeightGroup = 32;

// 32 consecutive weights of a block. With s = i / Block::kScaleWeights, weight i means
//   scales[s] * weights[i] - minimums[s]
// where each operation is rounded once, as in ggml's reference. Minimums are zero where the type has none.
struct WeightGroup {
  int8_t weights[kWeightGroup];
  float scales[2];
  float minimums[2];
};

// Fills Block::kWeights / kWeightGroup groups.
void unpack(const BlockQ4_0& block, WeightGroup* groups);
void unpack(const BlockQ4_1& block, WeightGroup* groups);
void unpack(const BlockQ5_0& block, WeightGroup* groups);
void unpack(const BlockQ5_1& block, WeightGroup* groups);
void unpack(const BlockQ8_0& block, WeightGroup* groups);
void unpack(const BlockQ2_K& block, WeightGroup* groups);
void unpack(const BlockQ3_K& block, WeightGroup* groups);
void unpack(const BlockQ4_K& block, WeightGroup* groups);
void unpack(const BlockQ5_K& block, WeightGroup* groups);
void unpack(const BlockQ6_K& block, WeightGroup* groups);

}  // namespace flexinfer
