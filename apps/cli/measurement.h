// One measurement of a benchmark: a `flexinfer run` in a process of its own, so that neither memory nor
// anything learned before it counts, and where the system allows it in a memory cgroup of exactly its budget.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "flexinfer/engine.h"

namespace flexinfer::cli {

// What is measured, the same for all ways of doing it.
struct Workload {
  std::string model;
  std::vector<std::string> files;  // of the model
  int32_t vocab_size = 0;
  int64_t prompt_tokens = 32;
  int64_t decode_tokens = 16;  // after the first token, which comes with the prompt
  bool warm_up = false;        // computes the prompt once before it counts
  bool limit_memory = false;   // to the budget, which is then given
};

// The most tokens of a prompt: they are an argument of a command.
inline constexpr int64_t kMostPromptTokens = 32000;

struct Measurement {
  double prefill_tok_s = 0;
  double decode_tok_s = 0;
  double predicted_decode_tok_s = 0;
  double bound_decode_tok_s = 0;
  double first_token_seconds = 0;
  double bytes_read_per_token = 0;
  double stall_share = 0;
  double peak_resident_bytes = 0;
  // Of the cgroup, where there is one: the most that was charged to it, how often the limit was reached.
  double peak_charged_bytes = 0;
  double limit_hits = 0;
};

struct MeasuredRun {
  uint64_t budget_bytes = 0;
  IoMode io = IoMode::kAuto;  // what read the weights: never kAuto
  std::vector<std::string> notes;
  Measurement measurement;
};

// Runs the workload, with nothing of the model in the page cache at its beginning. An error says that this
// way does not work under its budget: kBudgetTooSmall, or kIo where the kernel killed it for its memory.
// Throws Failure where anything else failed, and on a stop.
Result<MeasuredRun> measure(const Workload& workload, const EngineOptions& options,
                            const std::stop_token& stop);

// The arguments with which flexinfer does the same once more.
std::vector<std::string> run_arguments(const Workload& workload, const EngineOptions& options);

}  // namespace flexinfer::cli
