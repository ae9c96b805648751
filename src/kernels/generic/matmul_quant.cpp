// The order of one output element, which every instruction set keeps to:
//   for each group of 32 columns, in order:
//     part(h) = scale(h) * float(dot(h))
//     part(h) = part(h) - minimum(h) * float(sum(h))
//     total   = part(0)                                  or part(0) + part(1) where 16 weights share a scale
//     out     = out + total * activation_scale
// dot and sum are exact integers over the columns that share a scale. Every line rounds once: a product that
// is added is fused with the addition. Where a type has no minimums the second product is a zero, which
// changes no bit of `out`.
#include "kernels/generic/matmul_quant.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "quant/unpack.h"

namespace flexinfer::generic {
namespace {

constexpr int64_t kTokenBatch = 64;  // tokens that share the unpacking of a block

// One group of weights . group `index` of a token's activations, without the scale of these.
template <int kScaleWeights>
float multiply_group(const WeightGroup& group, const ConstQ8Row& x, int64_t index) {
  const int8_t* values = x.values + index * kWeightGroup;
  const int16_t* value_sums = x.sums + index * (kWeightGroup / kActivationSumBlock);
  float total = 0;
  for (int h = 0; h < kWeightGroup / kScaleWeights; h++) {
    int dot = 0;
    for (int i = h * kScaleWeights; i < (h + 1) * kScaleWeights; i++)
      dot += group.weights[i] * values[i];
    int sum = 0;
    for (int i = 0; i < kScaleWeights / kActivationSumBlock; i++)
      sum += value_sums[h + i];
    const float scaled = group.scales[h] * static_cast<float>(dot);
    const float part = std::fma(-group.minimums[h], static_cast<float>(sum), scaled);
    total = h == 0 ? part : total + part;
  }
  return total;
}

// out[first .. first + n) of one row.
template <class Block>
void multiply_row(const MatmulArgs& args, int64_t row, int64_t first, int64_t n) {
  constexpr int kGroups = Block::kWeights / kWeightGroup;
  const std::byte* weights = args.weights + static_cast<size_t>(row) * args.row_bytes;
  WeightGroup groups[kGroups];
  float sums[kTokenBatch] = {};
  for (int64_t begin = 0; begin < args.cols / kWeightGroup; begin += kGroups) {
    Block block;
    std::memcpy(&block, weights, sizeof block);  // a row may lie at any address
    weights += sizeof block;
    unpack(block, groups);
    for (int64_t t = 0; t < n; t++) {
      const std::byte* token = args.activations + static_cast<size_t>(first + t) * args.activation_bytes;
      const ConstQ8Row x = q8_row_at(token, static_cast<size_t>(args.cols));
      for (int g = 0; g < kGroups; g++) {
        const float total = multiply_group<Block::kScaleWeights>(groups[g], x, begin + g);
        sums[t] = std::fma(total, x.scales[begin + g], sums[t]);
      }
    }
  }
  for (int64_t t = 0; t < n; t++)
    args.out[(first + t) * args.out_stride + row] = sums[t];
}

template <class Block>
void multiply(const MatmulArgs& args) {
  for (int64_t t = 0; t < args.n_tokens; t += kTokenBatch) {
    for (int64_t r = 0; r < args.n_rows; r++)
      multiply_row<Block>(args, r, t, std::min(kTokenBatch, args.n_tokens - t));
  }
}

}  // namespace

void matmul_q4_0(const MatmulArgs& args) {
  multiply<BlockQ4_0>(args);
}
void matmul_q4_1(const MatmulArgs& args) {
  multiply<BlockQ4_1>(args);
}
void matmul_q5_0(const MatmulArgs& args) {
  multiply<BlockQ5_0>(args);
}
void matmul_q5_1(const MatmulArgs& args) {
  multiply<BlockQ5_1>(args);
}
void matmul_q8_0(const MatmulArgs& args) {
  multiply<BlockQ8_0>(args);
}
void matmul_iq4_nl(const MatmulArgs& args) {
  multiply<BlockIQ4_NL>(args);
}
void matmul_mxfp4(const MatmulArgs& args) {
  multiply<BlockMXFP4>(args);
}
void matmul_q2_k(const MatmulArgs& args) {
  multiply<BlockQ2_K>(args);
}
void matmul_q3_k(const MatmulArgs& args) {
  multiply<BlockQ3_K>(args);
}
void matmul_q4_k(const MatmulArgs& args) {
  multiply<BlockQ4_K>(args);
}
void matmul_q5_k(const MatmulArgs& args) {
  multiply<BlockQ5_K>(args);
}
void matmul_q6_k(const MatmulArgs& args) {
  multiply<BlockQ6_K>(args);
}
void matmul_iq4_xs(const MatmulArgs& args) {
  multiply<BlockIQ4_XS>(args);
}

}  // namespace flexinfer::generic
