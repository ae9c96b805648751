#include "quant/quantize_k.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "quant/half.h"

namespace flexinfer {
namespace {

constexpr int kLanes = 8;  // sums run in so many lanes, folded at the end: what vector units are good at
constexpr int kSearchSteps = 5;  // to either side of the scale that just spans a group
constexpr int kHighest6 = 63;    // of a 6-bit scale or minimum

// The nearest whole number, ties to even. Requires |x| < 2^22; beside 1.5 * 2^23 a float has no fraction.
float round_to_whole(float x) {
  constexpr float kNoFraction = 12582912.0f;
  return (x + kNoFraction) - kNoFraction;
}

float fold(const std::array<float, kLanes>& lanes) {
  float sum = 0;
  for (const float lane : lanes)
    sum += lane;
  return sum;
}

// Sum of term(i) for i in [0, n), n a multiple of kLanes.
template <int n, class Term>
float sum_of(Term term) {
  std::array<float, kLanes> lanes{};
  for (int i = 0; i < n; i += kLanes) {
    for (int lane = 0; lane < kLanes; lane++)
      lanes[lane] += term(i + lane);
  }
  return fold(lanes);
}

// Levels of the values of a group, and what they miss of it.
template <int n>
struct Levels {
  std::array<float, n> q;
  float error = std::numeric_limits<float>::infinity();
};

// q = (x - offset) / scale, rounded and kept within [lowest, highest].
template <int n>
void set_levels(const float* in, float inverse_scale, float offset, float lowest, float highest,
                Levels<n>& levels) {
  for (int i = 0; i < n; i++) {
    const float q = std::clamp((in[i] - offset) * inverse_scale, lowest, highest);
    levels.q[i] = round_to_whole(q);
  }
}

template <int n>
void set_error(const float* in, float scale, float offset, Levels<n>& levels) {
  levels.error = sum_of<n>([&](int i) {
    const float miss = scale * levels.q[i] + offset - in[i];
    return miss * miss;
  });
}

// --- value = scale * q - minimum, q from 0 to `highest`: Q4_K and Q5_K -------------------------------------

constexpr int kPairGroup = BlockQ4_K::kScaleWeights;
constexpr int kPairGroups = kSuperBlock / kPairGroup;
static_assert(BlockQ5_K::kScaleWeights == kPairGroup);

struct ScaleAndMin {
  float scale = 0;
  float min = 0;  // never negative: the format has no room for a sign
};

// The pair that misses least of the group for levels as they are: the least squares of x = scale * q - min.
ScaleAndMin best_pair(const float* in, const Levels<kPairGroup>& levels) {
  const float sum_q = sum_of<kPairGroup>([&](int i) { return levels.q[i]; });
  const float sum_qq = sum_of<kPairGroup>([&](int i) { return levels.q[i] * levels.q[i]; });
  const float sum_x = sum_of<kPairGroup>([&](int i) { return in[i]; });
  const float sum_xq = sum_of<kPairGroup>([&](int i) { return in[i] * levels.q[i]; });
  const float determinant = kPairGroup * sum_qq - sum_q * sum_q;
  if (determinant > 0) {
    const float min = (sum_q * sum_xq - sum_qq * sum_x) / determinant;
    if (min > 0) return {(kPairGroup * sum_xq - sum_x * sum_q) / determinant, min};
  }
  return {sum_qq > 0 ? sum_xq / sum_qq : 0, 0};
}

// Tries levels that span up to so many more and fewer than the group's range, each fitted twice: to the
// levels that a guess gives, and to those that the fit itself gives.
ScaleAndMin fit_pair(const float* in, float highest) {
  constexpr float kStride = 0.5f;
  const auto [least, greatest] = std::minmax_element(in, in + kPairGroup);
  const float low = std::min(*least, 0.0f);
  const float range = *greatest - low;
  if (!(range > 0)) return {0, -low};
  ScaleAndMin best;
  float best_error = std::numeric_limits<float>::infinity();
  Levels<kPairGroup> levels;
  for (int step = -kSearchSteps; step <= kSearchSteps; step++) {
    set_levels(in, (highest + kStride * static_cast<float>(step)) / range, low, 0, highest, levels);
    for (int fit = 0; fit < 2; fit++) {
      const ScaleAndMin pair = best_pair(in, levels);
      if (!(pair.scale > 0)) break;
      set_levels(in, 1.0f / pair.scale, -pair.min, 0, highest, levels);
      set_error(in, pair.scale, -pair.min, levels);
      if (levels.error >= best_error) continue;
      best_error = levels.error;
      best = pair;
    }
  }
  return best;
}

// A pair in the whole numbers of a block, and the levels that go with it.
struct PackedPair {
  int scale = 0;
  int min = 0;
  Levels<kPairGroup> levels;
};

void try_pair(const float* in, float d, float dmin, float highest, int scale, int min, PackedPair& best) {
  if (scale < 0 || scale > kHighest6 || min < 0 || min > kHighest6) return;
  const float step = d * static_cast<float>(scale);
  const float offset = -(dmin * static_cast<float>(min));
  Levels<kPairGroup> levels;
  set_levels(in, step > 0 ? 1.0f / step : 0.0f, offset, 0, highest, levels);
  set_error(in, step, offset, levels);
  if (levels.error < best.levels.error) best = {scale, min, levels};
}

// value / unit as a whole number within [lowest, highest].
int whole_ratio(float value, float unit, float lowest, float highest) {
  return unit != 0 ? static_cast<int>(round_to_whole(std::clamp(value / unit, lowest, highest))) : 0;
}

// The whole numbers around a pair that miss least.
PackedPair pack_pair(const float* in, const ScaleAndMin& pair, float d, float dmin, float highest) {
  const int scale = whole_ratio(pair.scale, d, 0, kHighest6);
  const int min = whole_ratio(pair.min, dmin, 0, kHighest6);
  PackedPair best;
  for (int ds = -1; ds <= 1; ds++) {
    for (int dm = -1; dm <= 1; dm++)
      try_pair(in, d, dmin, highest, scale + ds, min + dm, best);
  }
  return best;
}

using PackedPairs = std::array<PackedPair, kPairGroups>;

// The scales, minimums and levels of a super-block; sets d and dmin.
template <class Block>
PackedPairs fit_pairs(const float* in, float highest, Block& block) {
  std::array<ScaleAndMin, kPairGroups> pairs;
  ScaleAndMin most;
  for (int g = 0; g < kPairGroups; g++) {
    pairs[g] = fit_pair(in + g * kPairGroup, highest);
    most = {std::max(most.scale, pairs[g].scale), std::max(most.min, pairs[g].min)};
  }
  block.d = float_to_half(most.scale / kHighest6);
  block.dmin = float_to_half(most.min / kHighest6);
  PackedPairs packed;
  for (int g = 0; g < kPairGroups; g++) {
    packed[g] =
        pack_pair(in + g * kPairGroup, pairs[g], half_to_float(block.d), half_to_float(block.dmin), highest);
  }
  return packed;
}

// Eight pairs of 6-bit numbers in twelve bytes: the upper two bits of the last four ride on the first eight.
void pack_scales(const PackedPairs& pairs, uint8_t (&packed)[12]) {
  for (int i = 0; i < 4; i++) {
    const PackedPair& low = pairs[i];
    const PackedPair& high = pairs[i + 4];
    packed[i] = static_cast<uint8_t>(low.scale | (high.scale >> 4) << 6);
    packed[i + 4] = static_cast<uint8_t>(low.min | (high.min >> 4) << 6);
    packed[i + 8] = static_cast<uint8_t>((high.scale & 15) | (high.min & 15) << 4);
  }
}

// 64 weights take 32 bytes, the first 32 their low nibbles.
void pack_nibbles(const PackedPairs& pairs, uint8_t (&qs)[kSuperBlock / 2]) {
  for (int g = 0; g < kPairGroups; g += 2) {
    for (int i = 0; i < kPairGroup; i++) {
      const int low = static_cast<int>(pairs[g].levels.q[i]) & 15;
      const int high = static_cast<int>(pairs[g + 1].levels.q[i]) & 15;
      qs[g / 2 * kPairGroup + i] = static_cast<uint8_t>(low | high << 4);
    }
  }
}

// Bit g of byte i is the fifth bit of weight i of group g.
void pack_fifth_bits(const PackedPairs& pairs, uint8_t (&qh)[kSuperBlock / 8]) {
  std::memset(qh, 0, sizeof qh);
  for (int g = 0; g < kPairGroups; g++) {
    for (int i = 0; i < kPairGroup; i++) {
      const int bit = static_cast<int>(pairs[g].levels.q[i]) >> 4;
      qh[i] = static_cast<uint8_t>(qh[i] | bit << g);
    }
  }
}

// --- value = scale * q, q from -32 to 31: Q6_K
// --------------------------------------------------------------

constexpr int kGroup6 = BlockQ6_K::kScaleWeights;
constexpr int kGroups6 = kSuperBlock / kGroup6;
constexpr float kLowest6 = -32;
constexpr float kTop6 = 31;

float signed_extreme(const float* in, int n) {
  float extreme = 0;
  for (int i = 0; i < n; i++) {
    if (std::fabs(in[i]) > std::fabs(extreme)) extreme = in[i];
  }
  return extreme;
}

// Tries scales that put the group's extreme a little beside the lowest level, which has no counterpart.
float fit_scale(const float* in) {
  constexpr float kStride = 0.2f;
  const float extreme = signed_extreme(in, kGroup6);
  if (extreme == 0) return 0;
  float best = 0;
  Levels<kGroup6> levels;
  float best_error = std::numeric_limits<float>::infinity();
  for (int step = -kSearchSteps; step <= kSearchSteps; step++) {
    const float span = kLowest6 + kStride * static_cast<float>(step);
    set_levels(in, span / extreme, 0, kLowest6, kTop6, levels);
    const float sum_qq = sum_of<kGroup6>([&](int i) { return levels.q[i] * levels.q[i]; });
    const float sum_xq = sum_of<kGroup6>([&](int i) { return in[i] * levels.q[i]; });
    const float scale = sum_qq > 0 ? sum_xq / sum_qq : 0;
    set_error(in, scale, 0, levels);
    if (levels.error >= best_error) continue;
    best_error = levels.error;
    best = scale;
  }
  return best;
}

// The whole number around scale / d that misses least, and its levels.
int pack_scale(const float* in, float scale, float d, Levels<kGroup6>& best) {
  constexpr int kLowest = -128;
  constexpr int kHighest = 127;
  const int nearest = whole_ratio(scale, d, kLowest, kHighest);
  int packed = 0;
  for (int number = std::max(nearest - 1, kLowest); number <= std::min(nearest + 1, kHighest); number++) {
    const float step = d * static_cast<float>(number);
    Levels<kGroup6> levels;
    set_levels(in, step != 0 ? 1.0f / step : 0.0f, 0, kLowest6, kTop6, levels);
    set_error(in, step, 0, levels);
    if (levels.error >= best.error) continue;
    best = levels;
    packed = number;
  }
  return packed;
}

// 128 weights take 64 bytes of ql (64 low nibbles, then 64 high ones) and 32 of qh.
void put_six_bits(int q, int index, BlockQ6_K& block) {
  const int half = index / 128;
  const int quarter = index % 128 / 32;
  uint8_t& low = block.ql[half * 64 + index % 64];
  uint8_t& high = block.qh[half * 32 + index % 32];
  low = static_cast<uint8_t>(low | (q & 15) << (quarter / 2 * 4));
  high = static_cast<uint8_t>(high | (q >> 4) << (quarter * 2));
}

}  // namespace

void shrink(const float* in, BlockQ4_K& block) {
  const PackedPairs pairs = fit_pairs(in, 15, block);
  pack_scales(pairs, block.scales);
  pack_nibbles(pairs, block.qs);
}

void shrink(const float* in, BlockQ5_K& block) {
  const PackedPairs pairs = fit_pairs(in, 31, block);
  pack_scales(pairs, block.scales);
  pack_nibbles(pairs, block.qs);
  pack_fifth_bits(pairs, block.qh);
}

void shrink(const float* in, BlockQ6_K& block) {
  std::array<float, kGroups6> scales;
  for (int g = 0; g < kGroups6; g++)
    scales[g] = fit_scale(in + g * kGroup6);
  std::memset(&block, 0, sizeof block);
  block.d = float_to_half(signed_extreme(scales.data(), kGroups6) / -128.0f);
  const float d = half_to_float(block.d);
  if (d == 0) return;
  for (int g = 0; g < kGroups6; g++) {
    Levels<kGroup6> levels;
    block.scales[g] = static_cast<int8_t>(pack_scale(in + g * kGroup6, scales[g], d, levels));
    for (int i = 0; i < kGroup6; i++)
      put_six_bits(static_cast<int>(levels.q[i]) + 32, g * kGroup6 + i, block);
  }
}

}  // namespace flexinfer
