#include "quant/dequantize.h"

#include <array>
#include <cstring>

#include "quant/blocks.h"
#include "quant/unpack.h"

namespace flexinfer {
namespace {

template <class Block>
void dequantize_blocks(const std::byte* row, int64_t cols, float* out) {
  WeightGroup groups[Block::kWeights / kWeightGroup];
  for (int64_t col = 0; col < cols; col += Block::kWeights) {
    Block block;
    std::memcpy(&block, row, sizeof block);  // a row may lie at any address
    unpack(block, groups);
    for (int i = 0; i < Block::kWeights; i++) {
      const WeightGroup& group = groups[i / kWeightGroup];
      const int s = i % kWeightGroup / Block::kScaleWeights;
      out[col + i] =
          group.scales[s] * static_cast<float>(group.weights[i % kWeightGroup]) - group.minimums[s];
    }
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
    Dequantizer{GgmlType::kQ8_0, dequantize_blocks<BlockQ8_0>},
    Dequantizer{GgmlType::kQ4_0, dequantize_blocks<BlockQ4_0>},
    Dequantizer{GgmlType::kQ4_1, dequantize_blocks<BlockQ4_1>},
    Dequantizer{GgmlType::kQ5_0, dequantize_blocks<BlockQ5_0>},
    Dequantizer{GgmlType::kQ5_1, dequantize_blocks<BlockQ5_1>},
    Dequantizer{GgmlType::kQ2_K, dequantize_blocks<BlockQ2_K>},
    Dequantizer{GgmlType::kQ3_K, dequantize_blocks<BlockQ3_K>},
    Dequantizer{GgmlType::kQ4_K, dequantize_blocks<BlockQ4_K>},
    Dequantizer{GgmlType::kQ5_K, dequantize_blocks<BlockQ5_K>},
    Dequantizer{GgmlType::kQ6_K, dequantize_blocks<BlockQ6_K>},
    Dequantizer{GgmlType::kIQ4_NL, dequantize_blocks<BlockIQ4_NL>},
    Dequantizer{GgmlType::kIQ4_XS, dequantize_blocks<BlockIQ4_XS>},
    Dequantizer{GgmlType::kMXFP4, dequantize_blocks<BlockMXFP4>},
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
