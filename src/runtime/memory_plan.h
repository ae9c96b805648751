// From options and a model to a plan of all memory: the promise in numbers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "flexinfer/options.h"
#include "flexinfer/stats.h"
#include "model/kv_cache.h"
#include "model/model.h"
#include "model/transformer.h"
#include "residency/planner.h"
#include "runtime/machine_profile.h"

namespace flexinfer {

// What a plan rests on, beside model and options.
struct PlanInputs {
  uint64_t program_bytes = 0;  // what the process takes apart from weights, cache and activations
  MachineProfile profile;
};

struct MemoryPlan {
  EngineOptions options;  // with every zero replaced by what was chosen
  KvCacheShape cache;
  BatchLimits batch;
  ResidencyPlan residency;
  PlanSummary summary;
};

// A pure function. options.budget_bytes and n_threads are set. kBudgetTooSmall names the smallest budget that
// works and what takes the room; kUsage where an option contradicts the model.
Result<MemoryPlan> plan_memory(const Model& model, const EngineOptions& options, const PlanInputs& inputs);

// Fills the summary's limit, bound and predictions from what the machine can do.
void foretell(const Model& model, const ResidencyPlan& residency, IoMode io, const MachineProfile& machine,
              PlanSummary& summary);

}  // namespace flexinfer
