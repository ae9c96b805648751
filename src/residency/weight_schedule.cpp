#include "residency/weight_schedule.h"

namespace flexinfer {

double WeightSchedule::use_share(const WeightStep& step) const {
  if (!step.is_expert()) return 1;
  return static_cast<double>(n_experts_used) / expert_blocks[static_cast<size_t>(step.block)].n_experts;
}

uint64_t WeightSchedule::constant_bytes() const {
  uint64_t total = 0;
  for (const ConstantWeight& constant : constants)
    total += static_cast<uint64_t>(constant.size) * sizeof(float);
  return total;
}

uint64_t WeightSchedule::matrix_bytes() const {
  uint64_t total = tied_embedding ? 0 : embedding.extent.size;
  for (const WeightStep& step : steps)
    total += step.extent.size;
  return total;
}

}  // namespace flexinfer
