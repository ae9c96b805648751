#include "quant/unpack.h"

#include <cmath>
#include <cstring>

#include "quant/dequantize.h"

namespace flexinfer {
namespace {

struct ScaleAndMin {
  int scale;
  int min;
};

// Group `i` of the eight pairs of 6-bit numbers that Q4_K and Q5_K pack into twelve bytes.
ScaleAndMin unpack_scale_and_min(const uint8_t (&packed)[12], int i) {
  if (i < 4) return {packed[i] & 63, packed[i + 4] & 63};
  return {(packed[i + 4] & 15) | ((packed[i - 4] >> 6) << 4), (packed[i + 4] >> 4) | ((packed[i] >> 6) << 4)};
}

// Number `i` of the sixteen 6-bit scales that Q3_K packs into twelve bytes, offset taken off.
int unpack_q3_scale(const uint8_t (&packed)[12], int i) {
  const int low = i < 8 ? packed[i] & 15 : packed[i - 8] >> 4;
  const int high = (packed[8 + i % 4] >> (2 * (i / 4))) & 3;
  return (low | (high << 4)) - 32;
}

// Nibble `i` of 16 bytes: the low ones first.
int nibble(const uint8_t* bytes, int i) {
  return (bytes[i % 16] >> (i / 16 * 4)) & 15;
}

// Bit `i` of 32 bits in little-endian order, in the place of a fifth bit.
int fifth_bit(const uint8_t (&bits)[4], int i) {
  return ((bits[i / 8] >> (i % 8)) & 1) << 4;
}

// Fills 32 weights with weight_at(0), weight_at(1), ...
template <class WeightAt>
void fill(WeightGroup& group, WeightAt weight_at) {
  for (int i = 0; i < kWeightGroup; i++)
    group.weights[i] = static_cast<int8_t>(weight_at(i));
}

// The same for a super-block: weight_at(group, i).
template <class WeightAt>
void fill_groups(WeightGroup* groups, WeightAt weight_at) {
  for (int g = 0; g < kSuperBlock / kWeightGroup; g++)
    fill(groups[g], [&](int i) { return weight_at(g, i); });
}

void set_scale(WeightGroup& group, Half scale) {
  group.scales[0] = half_to_float(scale);
  group.minimums[0] = 0;
}

// value = d * q + m
void set_scale_and_offset(WeightGroup& group, Half d, Half m) {
  group.scales[0] = half_to_float(d);
  group.minimums[0] = -half_to_float(m);
}

// Two bits of weight i of group g: 128 weights take 32 bytes, of which byte l holds weights l, l + 32, l + 64
// and l + 96, from its low bits upwards.
int two_bits(const uint8_t* bytes, int g, int i) {
  return (bytes[g / 4 * 32 + i] >> (g % 4 * 2)) & 3;
}

// Four bits of weight i of group g: 64 weights take 32 bytes, the first 32 their low nibbles.
int four_bits(const uint8_t* bytes, int g, int i) {
  return (bytes[g / 2 * 32 + i] >> (g % 2 * 4)) & 15;
}

template <class Block>
void set_scales_and_minimums(const Block& block, WeightGroup* groups) {
  const float d = half_to_float(block.d);
  const float dmin = half_to_float(block.dmin);
  for (int g = 0; g < kSuperBlock / kWeightGroup; g++) {
    const ScaleAndMin pair = unpack_scale_and_min(block.scales, g);
    groups[g].scales[0] = d * static_cast<float>(pair.scale);
    groups[g].minimums[0] = dmin * static_cast<float>(pair.min);
  }
}

// scale_at(i) of each 16 weights, no minimums.
template <class ScaleAt>
void set_scales_of_16(WeightGroup* groups, float d, ScaleAt scale_at) {
  for (int i = 0; i < kSuperBlock / 16; i++) {
    groups[i / 2].scales[i % 2] = d * static_cast<float>(scale_at(i));
    groups[i / 2].minimums[i % 2] = 0;
  }
}

}  // namespace

void unpack(const BlockQ4_0& block, WeightGroup* groups) {
  fill(*groups, [&](int i) { return nibble(block.qs, i) - 8; });
  set_scale(*groups, block.d);
}

void unpack(const BlockQ4_1& block, WeightGroup* groups) {
  fill(*groups, [&](int i) { return nibble(block.qs, i); });
  set_scale_and_offset(*groups, block.d, block.m);
}

void unpack(const BlockQ5_0& block, WeightGroup* groups) {
  fill(*groups, [&](int i) { return (nibble(block.qs, i) | fifth_bit(block.qh, i)) - 16; });
  set_scale(*groups, block.d);
}

void unpack(const BlockQ5_1& block, WeightGroup* groups) {
  fill(*groups, [&](int i) { return nibble(block.qs, i) | fifth_bit(block.qh, i); });
  set_scale_and_offset(*groups, block.d, block.m);
}

void unpack(const BlockQ8_0& block, WeightGroup* groups) {
  std::memcpy(groups->weights, block.qs, sizeof block.qs);
  set_scale(*groups, block.d);
}

void unpack(const BlockQ2_K& block, WeightGroup* groups) {
  fill_groups(groups, [&](int g, int i) { return two_bits(block.qs, g, i); });
  const float d = half_to_float(block.d);
  const float dmin = half_to_float(block.dmin);
  for (int i = 0; i < kSuperBlock / 16; i++) {
    groups[i / 2].scales[i % 2] = d * static_cast<float>(block.scales[i] & 15);
    groups[i / 2].minimums[i % 2] = dmin * static_cast<float>(block.scales[i] >> 4);
  }
}

// Bit g of hmask[i] is the third bit of weight i of group g.
void unpack(const BlockQ3_K& block, WeightGroup* groups) {
  fill_groups(groups, [&](int g, int i) {
    return (two_bits(block.qs, g, i) | (((block.hmask[i] >> g) & 1) << 2)) - 4;
  });
  set_scales_of_16(groups, half_to_float(block.d), [&](int i) { return unpack_q3_scale(block.scales, i); });
}

void unpack(const BlockQ4_K& block, WeightGroup* groups) {
  fill_groups(groups, [&](int g, int i) { return four_bits(block.qs, g, i); });
  set_scales_and_minimums(block, groups);
}

// Bit g of qh[i] is the fifth bit of weight i of group g.
void unpack(const BlockQ5_K& block, WeightGroup* groups) {
  fill_groups(groups,
              [&](int g, int i) { return four_bits(block.qs, g, i) | (((block.qh[i] >> g) & 1) << 4); });
  set_scales_and_minimums(block, groups);
}

// 128 weights take 64 bytes of ql (64 low nibbles, then 64 high ones) and 32 of qh.
void unpack(const BlockQ6_K& block, WeightGroup* groups) {
  fill_groups(groups, [&](int g, int i) {
    const int low = (block.ql[g / 4 * 64 + g % 2 * 32 + i] >> (g % 4 / 2 * 4)) & 15;
    return (low | (two_bits(block.qh, g, i) << 4)) - 32;
  });
  set_scales_of_16(groups, half_to_float(block.d), [&](int i) { return block.scales[i]; });
}

void unpack(const BlockIQ4_NL& block, WeightGroup* groups) {
  fill(*groups, [&](int i) { return kIq4Levels[nibble(block.qs, i)]; });
  set_scale(*groups, block.d);
}

void unpack(const BlockIQ4_XS& block, WeightGroup* groups) {
  fill_groups(groups, [&](int g, int i) { return kIq4Levels[nibble(block.qs + g * 16, i)]; });
  const float d = half_to_float(block.d);
  for (int g = 0; g < kSuperBlock / kWeightGroup; g++) {
    const int low = (block.scales_l[g / 2] >> (g % 2 * 4)) & 15;
    const int high = (block.scales_h >> (2 * g)) & 3;
    groups[g].scales[0] = d * static_cast<float>((low | (high << 4)) - 32);
    groups[g].minimums[0] = 0;
  }
}

void unpack(const BlockMXFP4& block, WeightGroup* groups) {
  fill(*groups, [&](int i) { return kMxfp4Levels[nibble(block.qs, i)]; });
  groups->scales[0] = std::ldexp(1.0f, block.e - 128);
  groups->minimums[0] = 0;
}

}  // namespace flexinfer
