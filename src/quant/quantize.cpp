#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "quant/blocks.h"
#include "quant/dequantize.h"
#include "quant/quantize_k.h"

namespace flexinfer {
namespace {

constexpr int kBlock = 32;

// 1 / d, and 0 for the block whose weights are all alike.
float inverse(float d) {
  return d != 0.0f ? 1.0f / d : 0.0f;
}

// Towards zero. lrint is defined for every float where a cast is not: a subnormal scale has an infinite
// inverse.
int truncate(float value) {
  return static_cast<int>(std::lrint(std::trunc(value)));
}

// The first value of the greatest magnitude, with its sign.
float signed_extreme(const float* in) {
  float extreme = 0.0f;
  for (int i = 0; i < kBlock; i++) {
    if (std::fabs(in[i]) > std::fabs(extreme)) extreme = in[i];
  }
  return extreme;
}

uint8_t pack_nibbles(int low, int high) {
  return static_cast<uint8_t>((low & 15) | ((high & 15) << 4));
}

// The low nibbles and, as `bits`, the fifth bits of 32 values below 32.
void pack_five_bits(const int (&q)[kBlock], uint8_t (&nibbles)[16], uint8_t (&bits)[4]) {
  std::fill(std::begin(bits), std::end(bits), uint8_t{0});
  for (int i = 0; i < kBlock; i++)
    bits[i / 8] = static_cast<uint8_t>(bits[i / 8] | ((q[i] >> 4) & 1) << (i % 8));
  for (int i = 0; i < 16; i++)
    nibbles[i] = pack_nibbles(q[i], q[i + 16]);
}

void shrink(const float* in, BlockQ8_0& block) {
  const float d = std::fabs(signed_extreme(in)) / 127.0f;
  const float inverse_d = inverse(d);
  block.d = float_to_half(d);
  for (int i = 0; i < kBlock; i++)
    block.qs[i] = static_cast<int8_t>(std::lround(in[i] * inverse_d));
}

void shrink(const float* in, BlockQ4_0& block) {
  const float d = signed_extreme(in) / -8.0f;
  const float inverse_d = inverse(d);
  block.d = float_to_half(d);
  auto level = [&](float x) { return std::clamp(truncate(x * inverse_d + 8.5f), 0, 15); };
  for (int i = 0; i < 16; i++)
    block.qs[i] = pack_nibbles(level(in[i]), level(in[i + 16]));
}

void shrink(const float* in, BlockQ4_1& block) {
  const auto [least, greatest] = std::minmax_element(in, in + kBlock);
  const float min = *least;
  const float d = (*greatest - min) / 15.0f;
  const float inverse_d = inverse(d);
  block.d = float_to_half(d);
  block.m = float_to_half(min);
  auto level = [&](float x) { return std::clamp(truncate((x - min) * inverse_d + 0.5f), 0, 15); };
  for (int i = 0; i < 16; i++)
    block.qs[i] = pack_nibbles(level(in[i]), level(in[i + 16]));
}

void shrink(const float* in, BlockQ5_0& block) {
  const float d = signed_extreme(in) / -16.0f;
  const float inverse_d = inverse(d);
  block.d = float_to_half(d);
  int q[kBlock];
  for (int i = 0; i < kBlock; i++)
    q[i] = std::clamp(truncate(in[i] * inverse_d + 16.5f), 0, 31);
  pack_five_bits(q, block.qs, block.qh);
}

void shrink(const float* in, BlockQ5_1& block) {
  const auto [least, greatest] = std::minmax_element(in, in + kBlock);
  const float min = *least;
  const float d = (*greatest - min) / 31.0f;
  const float inverse_d = inverse(d);
  block.d = float_to_half(d);
  block.m = float_to_half(min);
  int q[kBlock];
  for (int i = 0; i < kBlock; i++)
    q[i] = std::clamp(truncate((in[i] - min) * inverse_d + 0.5f), 0, 31);
  pack_five_bits(q, block.qs, block.qh);
}

template <class Block>
void quantize_blocks(const float* in, int64_t cols, std::byte* row) {
  for (int64_t i = 0; i < cols; i += Block::kWeights) {
    Block block;
    shrink(in + i, block);
    std::memcpy(row, &block, sizeof block);  // a row may lie at any address
    row += sizeof block;
  }
}

template <uint16_t (*from_float)(float)>
void quantize_16(const float* in, int64_t cols, std::byte* row) {
  for (int64_t i = 0; i < cols; i++) {
    const uint16_t bits = from_float(in[i]);
    std::memcpy(row + i * 2, &bits, sizeof bits);
  }
}

void quantize_f32(const float* in, int64_t cols, std::byte* row) {
  std::memcpy(row, in, static_cast<size_t>(cols) * sizeof(float));
}

using QuantizeFn = void (*)(const float* in, int64_t cols, std::byte* row);

struct Quantizer {
  GgmlType type;
  QuantizeFn quantize;
};

constexpr std::array kQuantizers = {
    Quantizer{GgmlType::kF32, quantize_f32},
    Quantizer{GgmlType::kF16, quantize_16<float_to_half>},
    Quantizer{GgmlType::kBF16, quantize_16<float_to_bfloat16>},
    Quantizer{GgmlType::kQ8_0, quantize_blocks<BlockQ8_0>},
    Quantizer{GgmlType::kQ4_0, quantize_blocks<BlockQ4_0>},
    Quantizer{GgmlType::kQ4_1, quantize_blocks<BlockQ4_1>},
    Quantizer{GgmlType::kQ5_0, quantize_blocks<BlockQ5_0>},
    Quantizer{GgmlType::kQ5_1, quantize_blocks<BlockQ5_1>},
    Quantizer{GgmlType::kQ4_K, quantize_blocks<BlockQ4_K>},
    Quantizer{GgmlType::kQ5_K, quantize_blocks<BlockQ5_K>},
    Quantizer{GgmlType::kQ6_K, quantize_blocks<BlockQ6_K>},
};

QuantizeFn find_quantizer(GgmlType type) {
  const auto* found = std::ranges::find(kQuantizers, type, &Quantizer::type);
  return found == kQuantizers.end() ? nullptr : found->quantize;
}

}  // namespace

bool is_quantizable(GgmlType type) {
  return find_quantizer(type) != nullptr;
}

bool quantize_row(GgmlType type, const float* in, int64_t cols, std::byte* row) {
  const QuantizeFn quantize = find_quantizer(type);
  if (quantize == nullptr) return false;
  quantize(in, cols, row);
  return true;
}

}  // namespace flexinfer
