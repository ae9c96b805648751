// IEEE half and bfloat16 as bits: every value to a float and back. Round to nearest even; NaN stays NaN.
#pragma once

#include <bit>
#include <cstdint>

namespace flexinfer {

// Without a branch, so that loops over rows can be vectorised. 2^112 moves an exponent from one bias to the
// other and makes a subnormal half normal; infinity and NaN have an exponent that no multiplication reaches.
inline float half_to_float(uint16_t bits) {
  const uint32_t magnitude = bits & 0x7fffu;
  const float scaled = std::bit_cast<float>(magnitude << 13) * 0x1p112f;
  const uint32_t special = magnitude >= 0x7c00 ? 0x7f800000u : 0u;
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(scaled) | special | sign);
}

inline float bfloat16_to_float(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

uint16_t float_to_half(float value);
uint16_t float_to_bfloat16(float value);

}  // namespace flexinfer
