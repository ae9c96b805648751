// Rows of weights or of a cache as vectors of floats, one struct per type. Rows lie at any address.
//   load(row, col, lanes)   the elements from column `col` on
//   kUnit                   columns that stand by themselves: `row` may begin at any multiple of them
//   bytes(cols)             the length of a row of a cache
#pragma once

#include <cstddef>

#include "kernels/simd/float_vector.h"
#include "quant/blocks.h"

namespace flexinfer::simd {

template <class InstructionSet>
struct F32Row {
  using Isa = InstructionSet;
  static constexpr int64_t kUnit = Isa::kLanes;

  static size_t bytes(int64_t cols) { return static_cast<size_t>(cols) * 4; }

  static typename Isa::Float load(const std::byte* row, int64_t col, auto lanes) {
    return Isa::load(reinterpret_cast<const float*>(row + col * 4), lanes);
  }
};

template <class InstructionSet>
struct F16Row {
  using Isa = InstructionSet;
  static constexpr int64_t kUnit = Isa::kLanes;

  static size_t bytes(int64_t cols) { return static_cast<size_t>(cols) * 2; }

  static typename Isa::Float load(const std::byte* row, int64_t col, auto lanes) {
    return Isa::half_to_float(Isa::load_halves(row + col * 2, lanes));
  }
};

template <class InstructionSet>
struct BF16Row {
  using Isa = InstructionSet;

  static typename Isa::Float load(const std::byte* row, int64_t col, auto lanes) {
    return Isa::bfloat_to_float(Isa::load_halves(row + col * 2, lanes));
  }
};

// A block is a whole number of vectors, so there are no lanes beyond a row.
template <class InstructionSet>
struct Q8_0Row {
  using Isa = InstructionSet;
  static constexpr int64_t kUnit = BlockQ8_0::kWeights;
  static_assert(kUnit % Isa::kLanes == 0);

  static size_t bytes(int64_t cols) {
    return static_cast<size_t>(cols / BlockQ8_0::kWeights) * sizeof(BlockQ8_0);
  }

  static typename Isa::Float load(const std::byte* row, int64_t col, auto) {
    const std::byte* block = row + bytes(col);
    return Isa::broadcast_half(block + offsetof(BlockQ8_0, d)) *
           Isa::load_bytes(block + offsetof(BlockQ8_0, qs) + col % BlockQ8_0::kWeights);
  }
};

}  // namespace flexinfer::simd
