#include "residency/locked_experts.h"

namespace flexinfer {

LockedExperts::LockedExperts(const WeightSchedule& schedule, const ResidencyPlan& plan) {
  for (const ExpertBlock& block : schedule.expert_blocks) {
    std::vector<bool>& locked = locked_.emplace_back();
    for (int32_t expert = 0; expert < block.n_experts; ++expert)
      locked.push_back(plan.steps[block.step_of(expert)].rows > 0);
  }
}

void LockedExperts::note_choice(size_t block, std::span<const int32_t> experts) {
  for (const int32_t expert : experts)
    ++(locked_[block][static_cast<size_t>(expert)] ? hits_ : misses_);
}

}  // namespace flexinfer
