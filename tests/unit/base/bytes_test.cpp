#include "base/bytes.h"

#include <gtest/gtest.h>

#include <limits>

namespace flexinfer {
namespace {

constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();

TEST(ParseSize, ReadsEveryUnitInPowersOf1024AndOf1000) {
  const std::pair<const char*, uint64_t> sizes[] = {
      {"0", 0},
      {"4096", 4096},
      {"17B", 17},
      {"3K", 3072},
      {"3KiB", 3072},
      {"3KB", 3000},
      {"5M", 5242880},
      {"5MiB", 5242880},
      {"5MB", 5000000},
      {"4G", 4294967296},
      {"4GiB", 4294967296},
      {"4GB", 4000000000},
      {"2T", 2199023255552},
      {"2TiB", 2199023255552},
      {"2TB", 2000000000000},
      {"4gib", 4294967296},
      {"4 GiB", 4294967296},
      {"1.5G", 1610612736},
      {".5K", 512},
      {"1.001KB", 1001},
      {"8388607TiB", 9223370937343148032ULL},
  };
  for (const auto& [text, bytes] : sizes) {
    const Result<uint64_t> size = parse_size(text);
    ASSERT_TRUE(size) << size.error().message;
    EXPECT_EQ(*size, bytes) << text;
  }
}

TEST(ParseSize, RefusesWhatIsNotASizeAndQuotesIt) {
  for (const char* text : {"", "GiB", "-1", "+1", "4X", "4GiBs", "1e9", "1.2.3", ".", "4 G iB", "0x10", "nan",
                           " 4", "4 GiB ", "8388608TiB", "99999999999999999999999999999"}) {
    const Result<uint64_t> size = parse_size(text);
    ASSERT_FALSE(size) << text << " is " << *size;
    EXPECT_EQ(size.error().code, ErrorCode::kUsage);
    EXPECT_NE(size.error().message.find("'" + std::string(text) + "'"), std::string::npos)
        << size.error().message;
  }
}

TEST(FormatBytes, ShowsThreeDigitsAndNoMore) {
  const std::pair<uint64_t, const char*> sizes[] = {
      {0, "0 B"},
      {17, "17 B"},
      {999, "999 B"},
      {1000, "0.977 KiB"},
      {1024, "1.00 KiB"},
      {10235, "10.0 KiB"},  // 9.995 KiB
      {102390, "100 KiB"},  // 99.99 KiB
      {512 * kKiB, "512 KiB"},
      {1023 * kKiB, "0.999 MiB"},
      {kMiB - 1, "1.00 MiB"},
      {kGiB * 383 / 100, "3.83 GiB"},
      {kMax, "16777216 TiB"},
  };
  for (const auto& [bytes, text] : sizes)
    EXPECT_EQ(format_bytes(bytes), text);
}

TEST(CheckedArithmetic, NoticesOverflowAtItsBorder) {
  EXPECT_EQ(checked_add(kMax - 1, 1), kMax);
  EXPECT_EQ(checked_add(kMax, 1), std::nullopt);
  EXPECT_EQ(checked_mul(kMax / 3, 3), kMax);
  EXPECT_EQ(checked_mul(kMax / 3 + 1, 3), std::nullopt);
  EXPECT_EQ(checked_mul(0, kMax), 0U);
}

TEST(Align, KeepsMultiplesAndMovesTheRest) {
  EXPECT_EQ(align_down(4095, 4096), 0U);
  EXPECT_EQ(align_down(4096, 4096), 4096U);
  EXPECT_EQ(align_up(0, 4096), 0U);
  EXPECT_EQ(align_up(1, 4096), 4096U);
  EXPECT_EQ(align_up(4096, 4096), 4096U);
  EXPECT_EQ(align_up(33, 32), 64U);
}

}  // namespace
}  // namespace flexinfer
