#include "runtime/role_plan.h"

#include <algorithm>

namespace flexinfer {
namespace {

const char* name_of(Role role) {
  switch (role) {
    case Role::kAttentionQ:
      return "attention_q";
    case Role::kAttentionK:
      return "attention_k";
    case Role::kAttentionV:
      return "attention_v";
    case Role::kAttentionOutput:
      return "attention_output";
    case Role::kFfnGate:
      return "ffn_gate";
    case Role::kFfnUp:
      return "ffn_up";
    case Role::kFfnDown:
      return "ffn_down";
    case Role::kRouter:
      return "router";
    case Role::kOutputHead:
      return "output_head";
    case Role::kTokenEmbedding:
      return "token_embedding";
  }
  return "";
}

void add(const WeightStep& step, const LockedRows& locked, std::vector<RolePlan>& plans) {
  const char* role = name_of(step.role);
  auto found = std::find_if(plans.rbegin(), plans.rend(), [&](const RolePlan& plan) {
    return plan.layer == step.layer && plan.role == role;
  });
  if (found == plans.rend()) {
    plans.push_back({step.layer, role, 0, 0});
    found = plans.rbegin();
  }
  found->total_bytes += step.extent.size;
  found->locked_bytes += static_cast<uint64_t>(locked.rows) * step.row_bytes;
}

}  // namespace

std::vector<RolePlan> role_plans(const WeightSchedule& schedule, const ResidencyPlan& plan) {
  std::vector<RolePlan> plans;
  for (size_t i = 0; i < schedule.steps.size(); ++i)
    add(schedule.steps[i], plan.steps[i], plans);
  if (!schedule.tied_embedding) add(schedule.embedding, plan.embedding, plans);
  return plans;
}

}  // namespace flexinfer
