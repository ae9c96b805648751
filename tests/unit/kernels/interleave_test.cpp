// Where the bytes of interleaved rows stand.
#include "kernels/interleave.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

namespace flexinfer {
namespace {

std::vector<std::byte> random_bytes(size_t n) {
  std::mt19937 random(7);
  std::vector<std::byte> bytes(n);
  for (std::byte& byte : bytes)
    byte = static_cast<std::byte>(random() & 255);
  return bytes;
}

TEST(Interleave, LosesARow) {
  for (GgmlType type : {GgmlType::kQ8_0, GgmlType::kQ4_0, GgmlType::kQ4_1, GgmlType::kQ5_0, GgmlType::kQ5_1,
                        GgmlType::kQ2_K, GgmlType::kQ3_K, GgmlType::kQ4_K, GgmlType::kQ5_K, GgmlType::kQ6_K,
                        GgmlType::kIQ4_NL, GgmlType::kIQ4_XS, GgmlType::kMXFP4}) {
    ASSERT_TRUE(has_panels(type));
    const size_t row_bytes = 3 * size_t{ggml_type_info(type).block_bytes};
    for (int64_t n : {int64_t{4}, int64_t{8}, kMostPanelRows}) {
      const std::vector<std::byte> rows = random_bytes(static_cast<size_t>(n) * row_bytes);
      std::vector<std::byte> panel(rows.size());
      interleave_rows(type, rows.data(), row_bytes, n, panel.data());
      for (int64_t r = 0; r < n; r++) {
        std::vector<std::byte> row(row_bytes);
        copy_interleaved_row(type, panel.data(), row_bytes, n, r, row.data());
        ASSERT_EQ(0, std::memcmp(row.data(), &rows[static_cast<size_t>(r) * row_bytes], row_bytes))
            << ggml_type_info(type).name << ", row " << r << " of " << n;
      }
    }
  }
}

// What kernels rely on: all rows' scales first, then their words in turn.
TEST(Interleave, PutsAUnitElsewhere) {
  constexpr size_t kBlock = 18;  // of Q4_0: two bytes of scale, four words
  const std::vector<std::byte> rows = random_bytes(2 * 4 * kBlock);
  std::vector<std::byte> panel(rows.size());
  interleave_rows(GgmlType::kQ4_0, rows.data(), 2 * kBlock, 4, panel.data());
  const auto same = [&](size_t to, size_t from, size_t n) {
    return std::memcmp(&panel[to], &rows[from], n) == 0;
  };
  EXPECT_TRUE(same(3 * 2, 3 * 2 * kBlock, 2)) << "the scale of row 3";
  EXPECT_TRUE(same(4 * 2 + 4 * 1, 2 * kBlock + 2, 4)) << "the first word of row 1";
  EXPECT_TRUE(same(4 * (2 + 12) + 4 * 2, 2 * 2 * kBlock + 14, 4)) << "the last word of row 2";
  EXPECT_TRUE(same(4 * kBlock, kBlock, 2)) << "the scale of row 0's second block";
}

TEST(Interleave, FloatsHaveNoPanels) {
  for (GgmlType type : {GgmlType::kF32, GgmlType::kF16, GgmlType::kBF16})
    EXPECT_FALSE(has_panels(type));
}

}  // namespace
}  // namespace flexinfer
