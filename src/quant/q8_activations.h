// Activations as the quantised kernels take them: 8-bit integers with one f32 scale per 32 values.
#pragma once

#include <cstddef>
#include <cstdint>

namespace flexinfer {

inline constexpr int kActivationBlock = 32;     // values that share a scale
inline constexpr int kActivationSumBlock = 16;  // values that share a sum

// One token's activations, planar, so that integer loads stay contiguous:
//   values[cols]        q = round(x / scale), in [-127, 127]
//   scales[cols / 32]   scale = max|x| / 127 of the block
//   sums[cols / 16]     sum of q over 16 values: the offset of types with a minimum costs no second pass
// Views into memory the caller owns; `values` is aligned to 64 bytes. cols is a multiple of 32; where it is
// not a multiple of 256 only types with 32-element blocks apply.
struct Q8Row {
  int8_t* values = nullptr;
  float* scales = nullptr;
  int16_t* sums = nullptr;
};
struct ConstQ8Row {
  const int8_t* values = nullptr;
  const float* scales = nullptr;
  const int16_t* sums = nullptr;
};

// A row in memory: its values at byte 0, the other parts at these offsets. Each part is padded to 64 bytes.
constexpr size_t q8_part_bytes(size_t n) {
  return (n + 63) / 64 * 64;
}
constexpr size_t q8_scales_offset(size_t cols) {
  return q8_part_bytes(cols);
}
constexpr size_t q8_sums_offset(size_t cols) {
  return q8_scales_offset(cols) + q8_part_bytes(cols / kActivationBlock * sizeof(float));
}
// An odd number of 64 bytes: the same place of several rows is then spread over all sets of a cache.
constexpr size_t q8_row_bytes(size_t cols) {
  return (q8_sums_offset(cols) + q8_part_bytes(cols / kActivationSumBlock * sizeof(int16_t))) | 64;
}

// The row that starts at `memory` (64-byte aligned, q8_row_bytes(cols) long).
inline Q8Row q8_row_at(std::byte* memory, size_t cols) {
  return {.values = reinterpret_cast<int8_t*>(memory),
          .scales = reinterpret_cast<float*>(memory + q8_scales_offset(cols)),
          .sums = reinterpret_cast<int16_t*>(memory + q8_sums_offset(cols))};
}
inline ConstQ8Row q8_row_at(const std::byte* memory, size_t cols) {
  return {.values = reinterpret_cast<const int8_t*>(memory),
          .scales = reinterpret_cast<const float*>(memory + q8_scales_offset(cols)),
          .sums = reinterpret_cast<const int16_t*>(memory + q8_sums_offset(cols))};
}

}  // namespace flexinfer
