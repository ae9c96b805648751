#include "quant/dequantize.h"

#include <array>
#include <cstring>

#include "quant/blocks.h"

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

// Group `i` of the sixteen 6-bit scales that Q3_K packs into twelve bytes, offset taken off.
int unpack_q3_scale(const uint8_t (&packed)[12], int i) {
  const int low = i < 8 ? packed[i] & 15 : packed[i - 8] >> 4;
  const int high = (packed[8 + i % 4] >> (2 * (i / 4))) & 3;
  return (low | (high << 4)) - 32;
}

// Bit `i` of 32 bits in little-endian order, in the place of a fifth bit.
int fifth_bit(const uint8_t (&bits)[4], int i) {
  return ((bits[i / 8] >> (i % 8)) & 1) << 4;
}

void expand(const BlockQ8_0& block, float* out) {
  const float d = half_to_float(block.d);
  for (int i = 0; i < 32; i++)
    out[i] = static_cast<float>(block.qs[i]) * d;
}

void expand(const BlockQ4_0& block, float* out) {
  const float d = half_to_float(block.d);
  for (int i = 0; i < 16; i++) {
    out[i] = static_cast<float>((block.qs[i] & 15) - 8) * d;
    out[i + 16] = static_cast<float>((block.qs[i] >> 4) - 8) * d;
  }
}

void expand(const BlockQ4_1& block, float* out) {
  const float d = half_to_float(block.d);
  const float m = half_to_float(block.m);
  for (int i = 0; i < 16; i++) {
    out[i] = static_cast<float>(block.qs[i] & 15) * d + m;
    out[i + 16] = static_cast<float>(block.qs[i] >> 4) * d + m;
  }
}

void expand(const BlockQ5_0& block, float* out) {
  const float d = half_to_float(block.d);
  for (int i = 0; i < 16; i++) {
    out[i] = static_cast<float>(((block.qs[i] & 15) | fifth_bit(block.qh, i)) - 16) * d;
    out[i + 16] = static_cast<float>(((block.qs[i] >> 4) | fifth_bit(block.qh, i + 16)) - 16) * d;
  }
}

void expand(const BlockQ5_1& block, float* out) {
  const float d = half_to_float(block.d);
  const float m = half_to_float(block.m);
  for (int i = 0; i < 16; i++) {
    out[i] = static_cast<float>((block.qs[i] & 15) | fifth_bit(block.qh, i)) * d + m;
    out[i + 16] = static_cast<float>((block.qs[i] >> 4) | fifth_bit(block.qh, i + 16)) * d + m;
  }
}

// 128 weights take 32 bytes: byte l holds weights l, l + 32, l + 64 and l + 96, from its low bits upwards.
void expand(const BlockQ2_K& block, float* out) {
  const float d = half_to_float(block.d);
  const float dmin = half_to_float(block.dmin);
  for (int i = 0; i < kSuperBlock; i++) {
    const int packed = block.scales[i / 16];
    const int q = (block.qs[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3;
    out[i] =
        d * static_cast<float>(packed & 15) * static_cast<float>(q) - dmin * static_cast<float>(packed >> 4);
  }
}

// The low bits lie as in Q2_K; bit i / 32 of hmask[i % 32] is the third bit of weight i.
void expand(const BlockQ3_K& block, float* out) {
  const float d = half_to_float(block.d);
  for (int i = 0; i < kSuperBlock; i++) {
    const int low = (block.qs[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3;
    const int high = ((block.hmask[i % 32] >> (i / 32)) & 1) << 2;
    const int scale = unpack_q3_scale(block.scales, i / 16);
    out[i] = d * static_cast<float>(scale) * static_cast<float>((low | high) - 4);
  }
}

// 64 weights take 32 bytes: the first 32 are their low nibbles, the others the high ones.
void expand(const BlockQ4_K& block, float* out) {
  const float d = half_to_float(block.d);
  const float dmin = half_to_float(block.dmin);
  for (int group = 0; group < 8; group++) {
    const ScaleAndMin pair = unpack_scale_and_min(block.scales, group);
    const float scale = d * static_cast<float>(pair.scale);
    const float min = dmin * static_cast<float>(pair.min);
    const uint8_t* qs = block.qs + group / 2 * 32;
    for (int i = 0; i < 32; i++) {
      const int q = (qs[i] >> (group % 2 * 4)) & 15;
      out[group * 32 + i] = scale * static_cast<float>(q) - min;
    }
  }
}

// As Q4_K; bit `group` of qh[i] is the fifth bit of the group's weight i.
void expand(const BlockQ5_K& block, float* out) {
  const float d = half_to_float(block.d);
  const float dmin = half_to_float(block.dmin);
  for (int group = 0; group < 8; group++) {
    const ScaleAndMin pair = unpack_scale_and_min(block.scales, group);
    const float scale = d * static_cast<float>(pair.scale);
    const float min = dmin * static_cast<float>(pair.min);
    const uint8_t* qs = block.qs + group / 2 * 32;
    for (int i = 0; i < 32; i++) {
      const int q = ((qs[i] >> (group % 2 * 4)) & 15) | (((block.qh[i] >> group) & 1) << 4);
      out[group * 32 + i] = scale * static_cast<float>(q) - min;
    }
  }
}

// 128 weights take 64 bytes of ql (64 low nibbles, then 64 high ones) and 32 of qh (laid out as qs of Q2_K).
void expand(const BlockQ6_K& block, float* out) {
  const float d = half_to_float(block.d);
  for (int i = 0; i < kSuperBlock; i++) {
    const int half = i / 128;
    const int low = (block.ql[half * 64 + i % 64] >> (i % 128 / 64 * 4)) & 15;
    const int high = (block.qh[half * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3;
    const int q = (low | (high << 4)) - 32;
    out[i] = d * static_cast<float>(block.scales[i / 16]) * static_cast<float>(q);
  }
}

template <class Block, int kElements>
void dequantize_blocks(const std::byte* row, int64_t cols, float* out) {
  for (int64_t i = 0; i < cols; i += kElements) {
    Block block;
    std::memcpy(&block, row, sizeof block);  // a row may lie at any address
    expand(block, out + i);
    row += sizeof block;
  }
}

void dequantize_f32(const std::byte* row, int64_t cols, float* out) {
  std::memcpy(out, row, static_cast<size_t>(cols) * sizeof(float));
}

template <float (*to_float)(uint16_t)>
void dequantize_16(const std::byte* row, int64_t cols, float* out) {
  for (int64_t i = 0; i < cols; i++) {
    uint16_t bits;
    std::memcpy(&bits, row + i * 2, sizeof bits);
    out[i] = to_float(bits);
  }
}

using DequantizeFn = void (*)(const std::byte* row, int64_t cols, float* out);

struct Dequantizer {
  GgmlType type;
  DequantizeFn dequantize;
};

constexpr std::array kDequantizers = {
    Dequantizer{GgmlType::kF32, dequantize_f32},
    Dequantizer{GgmlType::kF16, dequantize_16<half_to_float>},
    Dequantizer{GgmlType::kBF16, dequantize_16<bfloat16_to_float>},
    Dequantizer{GgmlType::kQ8_0, dequantize_blocks<BlockQ8_0, 32>},
    Dequantizer{GgmlType::kQ4_0, dequantize_blocks<BlockQ4_0, 32>},
    Dequantizer{GgmlType::kQ4_1, dequantize_blocks<BlockQ4_1, 32>},
    Dequantizer{GgmlType::kQ5_0, dequantize_blocks<BlockQ5_0, 32>},
    Dequantizer{GgmlType::kQ5_1, dequantize_blocks<BlockQ5_1, 32>},
    Dequantizer{GgmlType::kQ2_K, dequantize_blocks<BlockQ2_K, kSuperBlock>},
    Dequantizer{GgmlType::kQ3_K, dequantize_blocks<BlockQ3_K, kSuperBlock>},
    Dequantizer{GgmlType::kQ4_K, dequantize_blocks<BlockQ4_K, kSuperBlock>},
    Dequantizer{GgmlType::kQ5_K, dequantize_blocks<BlockQ5_K, kSuperBlock>},
    Dequantizer{GgmlType::kQ6_K, dequantize_blocks<BlockQ6_K, kSuperBlock>},
};

DequantizeFn find_dequantizer(GgmlType type) {
  for (const Dequantizer& row : kDequantizers) {
    if (row.type == type) return row.dequantize;
  }
  return nullptr;
}

}  // namespace

bool is_computable(GgmlType type) {
  return find_dequantizer(type) != nullptr;
}

void dequantize_row(GgmlType type, const std::byte* row, int64_t cols, float* out) {
  find_dequantizer(type)(row, cols, out);
}

}  // namespace flexinfer
