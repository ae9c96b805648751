// Lays locked weights out as this processor's kernels like them best.
#pragma once

#include <cstdint>
#include <memory>

#include "base/page_buffer.h"
#include "base/result.h"
#include "ops/compute.h"
#include "residency/weight_layout.h"

namespace flexinfer {

// Panels are interleaved (kernels/interleave.h) by all threads, one at a time each. Products have the same
// bits with and without.
class PanelLayout final : public WeightLayout {
 public:
  // Of memory: the largest panel of the schedule for each thread, whatever the processor. Whole pages.
  static uint64_t bytes(const WeightSchedule& schedule, int n_threads);
  // The schedule may end before the layout, what `compute` refers to may not.
  static Result<std::unique_ptr<PanelLayout>> create(const WeightSchedule& schedule, const Compute& compute);

  int64_t panel_rows(const WeightStep& step) const override;
  void lay_out(const WeightStep& step, std::byte* rows, int64_t n_rows) override;
  void copy_row(const WeightStep& step, const std::byte* rows, int64_t row, std::byte* out) const override;

 private:
  PanelLayout(const Compute& compute, PageBuffer scratch) : compute_(compute), scratch_(std::move(scratch)) {}

  const Compute compute_;
  PageBuffer scratch_;
};

}  // namespace flexinfer
