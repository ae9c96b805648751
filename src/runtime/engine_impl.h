// What an Engine holds: everything that is known before a weight is read.
#pragma once

#include <string>
#include <vector>

#include "flexinfer/engine.h"
#include "kernels/kernel_table.h"
#include "model/model.h"
#include "runtime/memory_plan.h"

namespace flexinfer {

struct Engine::Impl {
  uint64_t opened_ns = 0;
  Model model;
  std::vector<std::string>
      paths;              // the model's files, as Extent::file counts them, then those of its mirrors
  uint32_t n_files = 0;   // of the model alone
  uint64_t identity = 0;  // see model_identity
  const KernelTable* kernels = nullptr;
  PlanInputs inputs;
  MemoryPlan plan;
  std::vector<Vocabulary> vocabulary;  // exactly one
  std::vector<std::string> notes;
};

}  // namespace flexinfer
