// The speed of memory and of the matrix products, measured with the threads of a run.
#pragma once

#include <functional>
#include <span>
#include <stop_token>

#include "base/ggml_type.h"
#include "base/result.h"
#include "ops/compute.h"
#include "runtime/machine_profile.h"

namespace flexinfer {

// Works on `memory_bytes` of memory, which must be well beyond the caches for honest figures, for about
// `seconds`. Types that cannot be multiplied with are left out. `on_progress` gets the share that is done.
Result<ComputeSpeed> calibrate_compute(const Compute& compute, std::span<const GgmlType> types,
                                       double seconds, uint64_t memory_bytes, const std::stop_token& stop,
                                       const std::function<void(double)>& on_progress);

}  // namespace flexinfer
