// Blocks as small integers with their scales: where every scalar routine that reads quantised weights begins.
#pragma once

#include <cstdint>

#include "quant/blocks.h"

namespace flexinfer {

inline constexpr int kWeightGroup = 32;

// What the nibbles of IQ4_NL and IQ4_XS, and twice what those of MXFP4 stand for.
inline constexpr int8_t kIq4Levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                          1,    13,   25,  38,  53,  69,  89,  113};
inline constexpr int8_t kMxfp4Levels[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

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
void unpack(const BlockIQ4_NL& block, WeightGroup* groups);
void unpack(const BlockIQ4_XS& block, WeightGroup* groups);
void unpack(const BlockMXFP4& block, WeightGroup* groups);

}  // namespace flexinfer
