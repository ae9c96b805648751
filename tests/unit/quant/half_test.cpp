#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "quant/half.h"

namespace flexinfer {
namespace {

// The meaning of a half by the definition of the format, in doubles, which hold every half exactly.
double half_by_definition(uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const double mantissa = bits & 1023;
  const double magnitude =
      exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

TEST(Half, EveryNumberHasItsValue) {
  for (uint32_t bits = 0; bits < 0x10000; bits++) {
    if ((bits & 0x7c00) == 0x7c00) continue;
    const float value = half_to_float(static_cast<uint16_t>(bits));
    ASSERT_EQ(value, half_by_definition(static_cast<uint16_t>(bits))) << bits;
    ASSERT_EQ(std::signbit(value), bits >= 0x8000) << bits;
    ASSERT_EQ(float_to_half(value), bits);
  }
}

TEST(Half, RoundsToNearestAndTiesToEven) {
  for (uint16_t bits = 0; bits < 0x7bff; bits++) {
    const double low = half_by_definition(bits);
    const double high = half_by_definition(static_cast<uint16_t>(bits + 1));
    const auto middle = static_cast<float>((low + high) / 2);  // exact: one bit more than a half
    const uint16_t above = static_cast<uint16_t>(bits + 1);
    ASSERT_EQ(float_to_half(middle), bits % 2 == 0 ? bits : above) << bits;
    ASSERT_EQ(float_to_half(std::nextafter(middle, 0.0f)), bits) << bits;
    ASSERT_EQ(float_to_half(std::nextafter(middle, 1e6f)), above) << bits;
    ASSERT_EQ(float_to_half(-middle), float_to_half(middle) | 0x8000) << bits;
  }
}

TEST(Half, OverflowsToInfinityFromTheMiddleOfTheNextStep) {
  EXPECT_EQ(float_to_half(65504.0f), 0x7bff);
  EXPECT_EQ(float_to_half(std::nextafter(65520.0f, 0.0f)), 0x7bff);
  EXPECT_EQ(float_to_half(65520.0f), 0x7c00);
  EXPECT_EQ(float_to_half(-1e30f), 0xfc00);
  EXPECT_EQ(float_to_half(-std::numeric_limits<float>::infinity()), 0xfc00);
  EXPECT_EQ(half_to_float(0xfc00), -std::numeric_limits<float>::infinity());
}

TEST(Half, NanStaysNan) {
  for (uint32_t bits : {0x7f800001u, 0x7fc00000u, 0xff800001u, 0xffffffffu, 0x7f80ffffu}) {
    const auto nan = std::bit_cast<float>(bits);
    EXPECT_TRUE(std::isnan(half_to_float(float_to_half(nan)))) << bits;
    EXPECT_TRUE(std::isnan(bfloat16_to_float(float_to_bfloat16(nan)))) << bits;
  }
  for (uint16_t bits : {0x7c01, 0x7e00, 0xffff})
    EXPECT_TRUE(std::isnan(half_to_float(bits))) << bits;
}

TEST(BFloat16, RoundsToNearestAndTiesToEven) {
  for (uint32_t bits = 0; bits < 0x7f7f; bits++) {
    const uint32_t middle = (bits << 16) | 0x8000;
    ASSERT_EQ(float_to_bfloat16(std::bit_cast<float>(bits << 16)), bits);
    ASSERT_EQ(bfloat16_to_float(static_cast<uint16_t>(bits)), std::bit_cast<float>(bits << 16));
    ASSERT_EQ(float_to_bfloat16(std::bit_cast<float>(middle)), bits + bits % 2) << bits;
    ASSERT_EQ(float_to_bfloat16(std::bit_cast<float>(middle - 1)), bits) << bits;
    ASSERT_EQ(float_to_bfloat16(std::bit_cast<float>(middle + 1)), bits + 1) << bits;
  }
  EXPECT_EQ(float_to_bfloat16(std::numeric_limits<float>::max()), 0x7f80);
  EXPECT_EQ(float_to_bfloat16(-std::numeric_limits<float>::infinity()), 0xff80);
}

}  // namespace
}  // namespace flexinfer
