// Locked weights in the layout of this processor's kernels.
#include "model/panel_layout.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

namespace flexinfer {
namespace {

WeightStep make_step(GgmlType type, int64_t rows, int64_t cols) {
  WeightStep step;
  step.type = type;
  step.rows = rows;
  step.cols = cols;
  step.row_bytes = *row_bytes(type, static_cast<uint64_t>(cols));
  return step;
}

TEST(PanelLayout, LosesARowOnAnyThread) {
  WeightSchedule schedule;
  schedule.steps = {make_step(GgmlType::kQ4_0, 640, 512), make_step(GgmlType::kQ6_K, 320, 768)};
  std::mt19937 random(3);
  for (const char* name : {"avx2", "avx512", "amx", "neon", "neon_dotprod", "neon_i8mm"}) {
    const KernelTable* kernels = find_kernels(name);
    if (kernels == nullptr) continue;
    ThreadPool pool(3);
    const auto layout = PanelLayout::create(schedule, {*kernels, pool}).value();
    for (const WeightStep& step : schedule.steps) {
      const int64_t n_rows = step.rows / layout->panel_rows(step) * layout->panel_rows(step);
      std::vector<std::byte> stored(static_cast<size_t>(n_rows) * step.row_bytes);
      for (std::byte& byte : stored)
        byte = static_cast<std::byte>(random() & 255);
      std::vector<std::byte> rows = stored;
      layout->lay_out(step, rows.data(), n_rows);
      EXPECT_NE(rows, stored);
      std::vector<std::byte> row(step.row_bytes);
      for (int64_t r = 0; r < n_rows; ++r) {
        layout->copy_row(step, rows.data(), r, row.data());
        ASSERT_EQ(0, std::memcmp(row.data(), &stored[static_cast<size_t>(r) * step.row_bytes], row.size()))
            << name << ", row " << r;
      }
    }
  }
}

TEST(PanelLayout, LaysOutForKernelsThatTakeRowsAsTheyAre) {
  ThreadPool pool(1);
  const auto layout = PanelLayout::create({}, {*find_kernels("generic"), pool}).value();
  EXPECT_EQ(layout->panel_rows(make_step(GgmlType::kQ4_0, 64, 64)), 0);
}

}  // namespace
}  // namespace flexinfer
