// Reading the small vectors that always stay.
#pragma once

#include <span>
#include <vector>

#include "base/result.h"
#include "io/file.h"
#include "residency/weight_schedule.h"

namespace flexinfer {

struct Constants {
  std::vector<std::vector<float>> values;  // parallel to WeightSchedule::constants
  uint64_t bytes_read = 0;
};

// The schedule's constants are F32 (its maker has checked). Works on direct and buffered files.
Result<Constants> read_constants(const WeightSchedule& schedule, std::span<const File> files);

}  // namespace flexinfer
