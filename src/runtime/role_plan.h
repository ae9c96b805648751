// What of a plan stays in memory, by layer and by what the matrices are for.
#pragma once

#include <vector>

#include "flexinfer/stats.h"
#include "residency/planner.h"

namespace flexinfer {

// A pure function. Matrices of a layer with the same role, such as those of experts, are added up.
std::vector<RolePlan> role_plans(const WeightSchedule& schedule, const ResidencyPlan& plan);

}  // namespace flexinfer
