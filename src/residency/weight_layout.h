// How locked rows are laid out in memory for those who multiply with them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "residency/weight_schedule.h"

namespace flexinfer {

// Used by the thread that acquires. Rows are laid out in panels, counted from a matrix's first row.
class WeightLayout {
 public:
  virtual ~WeightLayout() = default;

  // Rows of a panel; 0 where rows of this matrix stay as they are in the file.
  virtual int64_t panel_rows(const WeightStep& step) const = 0;

  // Lays out n_rows rows, whole panels, in place.
  virtual void lay_out(const WeightStep& step, std::byte* rows, int64_t n_rows) = 0;

  // Row `row` of rows that are laid out from `rows` on, as it is in the file.
  virtual void copy_row(const WeightStep& step, const std::byte* rows, int64_t row, std::byte* out) const = 0;
};

}  // namespace flexinfer
