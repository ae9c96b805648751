#include "quant/half.h"

#include <bit>

namespace flexinfer {
namespace {

constexpr uint32_t kInfinity = 0x7f800000;  // of a float
constexpr uint32_t kQuietBit = 0x0040;      // of a bfloat16's mantissa
constexpr uint32_t kHalfInfinity = 0x7c00;
constexpr uint32_t kHalfQuietNan = 0x7e00;
constexpr uint32_t kHalfOverflow = 0x477ff000;  // 65520: what rounds beyond the largest half, 65504
constexpr uint32_t kHalfNormal = 0x38800000;    // 2^-14, the smallest normal half
constexpr uint32_t kRebias = (127 - 15) << 23;  // between the exponents of the two formats

}  // namespace

uint16_t float_to_half(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = (bits >> 16) & 0x8000u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > kInfinity) return static_cast<uint16_t>(sign | kHalfQuietNan);
  if (magnitude >= kHalfOverflow) return static_cast<uint16_t>(sign | kHalfInfinity);
  if (magnitude < kHalfNormal) {
    // Beside 0.5 a float's last place is 2^-24, the last place of a subnormal half: the addition rounds.
    const float rounded = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(rounded) - std::bit_cast<uint32_t>(0.5f)));
  }
  const uint32_t odd = (magnitude >> 13) & 1;
  return static_cast<uint16_t>(sign | ((magnitude - kRebias + 0x0fff + odd) >> 13));
}

uint16_t float_to_bfloat16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > kInfinity) return static_cast<uint16_t>((bits >> 16) | kQuietBit);
  const uint32_t odd = (bits >> 16) & 1;
  return static_cast<uint16_t>((bits + 0x7fff + odd) >> 16);
}

}  // namespace flexinfer
