#include "model/panel_layout.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "kernels/interleave.h"

namespace flexinfer {

uint64_t PanelLayout::bytes(const WeightSchedule& schedule, int n_threads) {
  uint64_t largest = 0;
  for (const WeightStep& step : schedule.steps) {
    if (has_panels(step.type)) largest = std::max(largest, step.row_bytes * uint64_t{kMostPanelRows});
  }
  return align_up(largest * static_cast<uint64_t>(n_threads), kPageBytes);
}

Result<std::unique_ptr<PanelLayout>> PanelLayout::create(const WeightSchedule& schedule,
                                                         const Compute& compute) {
  FLEX_TRY(PageBuffer scratch, PageBuffer::allocate(bytes(schedule, compute.pool.size())));
  return std::unique_ptr<PanelLayout>(new PanelLayout(compute, std::move(scratch)));
}

int64_t PanelLayout::panel_rows(const WeightStep& step) const {
  return has_panels(step.type) ? compute_.kernels.panel_rows : 0;
}

void PanelLayout::lay_out(const WeightStep& step, std::byte* rows, int64_t n_rows) {
  const int64_t n = panel_rows(step);
  const uint64_t panel_bytes = static_cast<uint64_t>(n) * step.row_bytes;
  const uint64_t scratch_bytes = scratch_.size() / static_cast<uint64_t>(compute_.pool.size());
  const auto lay_out_panels = [&](int worker, int64_t begin, int64_t end) {
    std::byte* copy = scratch_.data() + static_cast<uint64_t>(worker) * scratch_bytes;
    for (int64_t i = begin; i < end; ++i) {
      std::byte* panel = rows + static_cast<uint64_t>(i) * panel_bytes;
      std::memcpy(copy, panel, panel_bytes);
      interleave_rows(step.type, copy, step.row_bytes, n, panel);
    }
  };
  compute_.split_among_workers(n_rows / n, n * step.cols, lay_out_panels);
}

void PanelLayout::copy_row(const WeightStep& step, const std::byte* rows, int64_t row, std::byte* out) const {
  const int64_t n = panel_rows(step);
  const std::byte* panel = rows + static_cast<uint64_t>(row / n * n) * step.row_bytes;
  copy_interleaved_row(step.type, panel, step.row_bytes, n, row % n, out);
}

}  // namespace flexinfer
