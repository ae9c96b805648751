#include "options.h"

#include <limits>

namespace flexinfer::cli {
namespace {

constexpr int64_t kAnyCount = std::numeric_limits<int64_t>::max();

constexpr auto kBudgetHelp =
    "all the memory that the process may use: 4GiB, 1.5G, 500MB "
    "(K, M, G are powers of 1024, KB, MB, GB of 1000)";
constexpr auto kContextDefault =
    "the model's context length, at most 4096, and so many that the cache takes at most a quarter of the "
    "budget";
constexpr auto kIoHelp =
    "how weights are read: uring (io_uring), threads (threads that read), sync (nothing is read ahead), "
    "mmap (mapped pages: to compare with; cannot keep the budget's promise)";
constexpr auto kLockHelp =
    "which weights stay: balanced (every layer streams the same number of bytes), "
    "prefix (the first layers whole), none";
constexpr auto kPreserveHelp =
    "which tensors of a layer stay first: flexible (chosen by the budget), attention, ffn";

}  // namespace

void add_model(CLI::App& app, std::string& path) {
  app.add_option("MODEL", path, "the model: a GGUF file")->required()->type_name("");
}

void add_memory_options(CLI::App& app, EngineOptions& options) {
  add_parsed(app, "--budget", options.budget_bytes, kBudgetHelp, parse_positive_size)
      ->type_name("SIZE")
      ->group(kMemoryGroup)
      ->default_str("what is free on this machine or in its cgroup, less a margin");
  add_number<int64_t>(app, "-c,--ctx", options.context_length, 1, kAnyCount, "positions of the KV cache")
      ->group(kMemoryGroup)
      ->default_str(kContextDefault);
  add_parsed(app, "--cache-type", options.cache_type, "element type of the KV cache: f32, f16, q8_0",
             parse_cache_type)
      ->type_name("TYPE")
      ->group(kMemoryGroup)
      ->default_str(std::string(to_string(options.cache_type)));
  add_number<int64_t>(app, "--batch", options.batch, 1, kAnyCount,
                      "tokens of a prompt in one sweep over the weights")
      ->group(kMemoryGroup)
      ->default_str("as many as save time and as the budget allows");
  add_threads(app, options.n_threads);
}

void add_threads(CLI::App& app, int& n_threads) {
  add_number<int>(app, "-t,--threads", n_threads, 1, 1024, "threads that compute")
      ->default_str("the processors that the process may use");
}

void add_slots(CLI::App& app, EngineOptions& options) {
  add_parsed(app, "--slots", options.slot_bytes, "memory for reads in flight", parse_positive_size)
      ->type_name("SIZE")
      ->group(kMovementGroup)
      ->default_str("chosen from the budget");
}

void add_mirrors(CLI::App& app, EngineOptions& options) {
  app.add_option("--mirror", options.mirrors,
                 "a further copy of the model on another disk, which is read at the same time; may be given "
                 "several times")
      ->type_name("PATH")
      ->allow_extra_args(false)
      ->group(kMovementGroup);
}

void add_movement_options(CLI::App& app, EngineOptions& options) {
  add_parsed(app, "--io", options.io, kIoHelp, parse_io_mode)
      ->type_name("MODE")
      ->group(kMovementGroup)
      ->default_str("uring where the system allows it, else threads");
  add_parsed(app, "--lock", options.lock, kLockHelp, parse_lock_policy)
      ->type_name("POLICY")
      ->group(kMovementGroup)
      ->default_str(std::string(to_string(options.lock)));
  add_parsed(app, "--preserve", options.preserve, kPreserveHelp, parse_preservation)
      ->type_name("KIND")
      ->group(kMovementGroup)
      ->default_str(std::string(to_string(options.preserve)));
  add_slots(app, options);
  add_mirrors(app, options);
}

void add_sampling_options(CLI::App& app, SamplingOptions& options) {
  const auto add = [&app](const std::string& name, auto& value, auto min, auto max, const std::string& help) {
    add_number(app, name, value, min, max, help)->group(kTextGroup);
  };
  constexpr float kAnyFactor = std::numeric_limits<float>::max();
  add("--temp", options.temperature, 0.0F, kAnyFactor, "temperature; 0 always takes the likeliest token");
  add("--top-k", options.top_k, 0, std::numeric_limits<int>::max(),
      "choose among the K likeliest tokens; 0: all");
  add("--top-p", options.top_p, 0.0F, 1.0F,
      "choose among the likeliest tokens that together reach P; 1: all");
  add("--min-p", options.min_p, 0.0F, 1.0F, "drop tokens less likely than P times the likeliest; 0: none");
  add("--repeat-penalty", options.repeat_penalty, 0.001F, 1000.0F,
      "make the last 64 tokens less likely; 1: off");
  add("--seed", options.seed, uint64_t{0}, std::numeric_limits<uint64_t>::max(),
      "seed of the random choice: the same seed gives the same text");
}

void add_output_options(CLI::App& app, OutputOptions& options, const OutputHelp& help) {
  app.add_flag("--json", options.json, "print one JSON object on standard output instead")
      ->group(kOutputGroup);
  auto* quiet = app.add_flag("-q,--quiet", options.quiet, help.quiet)->group(kOutputGroup);
  app.add_flag("-v,--verbose", options.verbose, help.verbose)->group(kOutputGroup)->excludes(quiet);
}

}  // namespace flexinfer::cli
