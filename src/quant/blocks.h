// Block layouts of the quantised types as they lie in a file: ggml's, little-endian, unpadded.
// kWeights: weights in a block. kScaleWeights: those that share a scale (and a minimum, where the type has
// one).
#pragma once

#include <cstdint>

namespace flexinfer {

using Half = uint16_t;  // the bits of an IEEE half

// 32 weights, one scale. value = d * (q - 8); q_i is the low nibble of qs[i], q_{i+16} the high one.
struct BlockQ4_0 {
  static constexpr int kWeights = 32;
  static constexpr int kScaleWeights = 32;
  Half d;
  uint8_t qs[16];
};

// value = d * q + m; nibbles as in Q4_0.
struct BlockQ4_1 {
  static constexpr int kWeights = 32;
  static constexpr int kScaleWeights = 32;
  Half d;
  Half m;
  uint8_t qs[16];
};

// value = d * (q - 16); the fifth bit of weight i is bit i of qh.
struct BlockQ5_0 {
  static constexpr int kWeights = 32;
  static constexpr int kScaleWeights = 32;
  Half d;
  uint8_t qh[4];
  uint8_t qs[16];
};

// value = d * q + m; bits as in Q5_0.
struct BlockQ5_1 {
  static constexpr int kWeights = 32;
  static constexpr int kScaleWeights = 32;
  Half d;
  Half m;
  uint8_t qh[4];
  uint8_t qs[16];
};

// value = d * q
struct BlockQ8_0 {
  static constexpr int kWeights = 32;
  static constexpr int kScaleWeights = 32;
  Half d;
  int8_t qs[32];
};

inline constexpr int kSuperBlock = 256;  // weights in a block of the K types

// 16 groups of 16: value = d * (scale & 15) * q - dmin * (scale >> 4), q of 2 bits.
struct BlockQ2_K {
  static constexpr int kWeights = kSuperBlock;
  static constexpr int kScaleWeights = 16;
  uint8_t scales[16];
  uint8_t qs[64];
  Half d;
  Half dmin;
};

// 16 groups of 16: value = d * (scale - 32) * (q - 4); q's low two bits in qs, its third in hmask; 6-bit
// scales packed.
struct BlockQ3_K {
  static constexpr int kWeights = kSuperBlock;
  static constexpr int kScaleWeights = 16;
  uint8_t hmask[32];
  uint8_t qs[64];
  uint8_t scales[12];
  Half d;
};

// 8 groups of 32: value = d * scale * q - dmin * min, q of 4 bits; 6-bit scales and mins packed.
struct BlockQ4_K {
  static constexpr int kWeights = kSuperBlock;
  static constexpr int kScaleWeights = 32;
  Half d;
  Half dmin;
  uint8_t scales[12];
  uint8_t qs[128];
};

// As Q4_K with q of 5 bits, the fifth in qh.
struct BlockQ5_K {
  static constexpr int kWeights = kSuperBlock;
  static constexpr int kScaleWeights = 32;
  Half d;
  Half dmin;
  uint8_t scales[12];
  uint8_t qh[32];
  uint8_t qs[128];
};

// 16 groups of 16: value = d * scale * (q - 32); q's low four bits in ql, the upper two in qh.
struct BlockQ6_K {
  static constexpr int kWeights = kSuperBlock;
  static constexpr int kScaleWeights = 16;
  uint8_t ql[128];
  uint8_t qh[64];
  int8_t scales[16];
  Half d;
};

// value = d * kIq4Levels[q] (unpack.h); nibbles as in Q4_0.
struct BlockIQ4_NL {
  static constexpr int kWeights = 32;
  static constexpr int kScaleWeights = 32;
  Half d;
  uint8_t qs[16];
};

// 8 groups of 32: value = d * (scale - 32) * kIq4Levels[q]. A 6-bit scale has its low nibble in scales_l, its
// upper two bits in scales_h. Each group's nibbles are those of an IQ4_NL.
struct BlockIQ4_XS {
  static constexpr int kWeights = kSuperBlock;
  static constexpr int kScaleWeights = 32;
  Half d;
  uint16_t scales_h;
  uint8_t scales_l[4];
  uint8_t qs[128];
};

// The OCP microscaling format: 32 floats of four bits, one power of two. value = 2^(e - 128) *
// kMxfp4Levels[q] (unpack.h, twice the value of the four bits); nibbles as in Q4_0.
struct BlockMXFP4 {
  static constexpr int kWeights = 32;
  static constexpr int kScaleWeights = 32;
  uint8_t e;
  uint8_t qs[16];
};

static_assert(sizeof(BlockQ4_0) == 18);
static_assert(sizeof(BlockQ4_1) == 20);
static_assert(sizeof(BlockQ5_0) == 22);
static_assert(sizeof(BlockQ5_1) == 24);
static_assert(sizeof(BlockQ8_0) == 34);
static_assert(sizeof(BlockQ2_K) == 84);
static_assert(sizeof(BlockQ3_K) == 110);
static_assert(sizeof(BlockQ4_K) == 144);
static_assert(sizeof(BlockQ5_K) == 176);
static_assert(sizeof(BlockQ6_K) == 210);
static_assert(sizeof(BlockIQ4_NL) == 18);
static_assert(sizeof(BlockIQ4_XS) == 136);
static_assert(sizeof(BlockMXFP4) == 17);

}  // namespace flexinfer
