// Which experts are in memory, and how often that was enough. The store tells it of every choice: a set that
// learns from the choices takes this one's place.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "residency/planner.h"
#include "residency/weight_schedule.h"

namespace flexinfer {

// The experts that the plan has locked, for good.
class LockedExperts {
 public:
  LockedExperts(const WeightSchedule& schedule, const ResidencyPlan& plan);

  // A sweep will use these experts of a block.
  void note_choice(size_t block, std::span<const int32_t> experts);

  uint64_t hits() const { return hits_; }      // choices of an expert in memory
  uint64_t misses() const { return misses_; }  // choices of one to be read

 private:
  std::vector<std::vector<bool>> locked_;  // by block and expert
  uint64_t hits_ = 0;
  uint64_t misses_ = 0;
};

}  // namespace flexinfer
