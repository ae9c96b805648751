#include "measurement.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "child_process.h"
#include "exit_status.h"
#include "failure.h"
#include "json.h"
#include "memory_cgroup.h"

namespace flexinfer::cli {
namespace {

// What a read finds in the page cache says nothing about the disk. Best effort: pages that another process
// has mapped stay.
void drop_cached(const std::vector<std::string>& files) {
  for (const std::string& file : files) {
    const int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;  // whoever reads it will say so
    fdatasync(fd);         // pages not yet written stay where they are
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
  }
}

// Some tokens below a thousand, each in few characters.
std::string prompt_text(const Workload& workload) {
  std::string text;
  const int64_t n_words = std::min<int64_t>(workload.vocab_size, 1000);
  for (int64_t i = 0; i < workload.prompt_tokens; ++i)
    text += fmt::format("{}{}", i > 0 ? "," : "", (i * 7919 + 1) % n_words);
  return text;
}

std::string last_line(std::string text) {
  while (text.ends_with('\n'))
    text.pop_back();
  text.erase(0, text.rfind('\n') + 1);
  constexpr std::string_view kPrefix = "flexinfer: ";
  return text.starts_with(kPrefix) ? text.substr(kPrefix.size()) : text;
}

// The error of a run that did not end well; throws where it is not about its budget.
Error explain(const ChildResult& child, const MemoryCgroup* group, const EngineOptions& options,
              const std::stop_token& stop) {
  if (stop.stop_requested() || child.exit_status == kInterrupted) {
    throw Failure(ErrorCode::kCancelled, "cancelled");
  }
  if (group != nullptr && group->n_killed() > 0) {
    return {ErrorCode::kIo, fmt::format("the kernel killed it: it took more memory than its budget of {}",
                                        format_bytes(options.budget_bytes))};
  }
  if (child.exit_status == kTooSmallBudget) return {ErrorCode::kBudgetTooSmall, last_line(child.err)};
  if (child.signal != 0) {
    throw Failure(ErrorCode::kIo, fmt::format("a measurement was ended by signal {}", child.signal));
  }
  throw Failure(child.exit_status == kWrongUsage ? ErrorCode::kUsage : ErrorCode::kIo, last_line(child.err));
}

Measurement figures(const Json& stats, const MemoryCgroup* group) {
  const double decode_seconds = stats.at("decode_seconds");
  const double prefill_seconds = stats.at("prefill_seconds");
  const double stall_seconds = stats.at("decode_stall_seconds");
  const double prefill_tokens = stats.at("prefill_tokens");
  return {.prefill_tok_s = prefill_seconds > 0 ? prefill_tokens / prefill_seconds : 0,
          .decode_tok_s = stats.at("decode_tok_s"),
          .predicted_decode_tok_s = stats.at("predicted_decode_tok_s"),
          .bound_decode_tok_s = stats.at("bound_decode_tok_s"),
          .first_token_seconds = stats.at("first_token_seconds"),
          .bytes_read_per_token = stats.at("bytes_read_per_token"),
          .stall_share = decode_seconds > 0 ? stall_seconds / decode_seconds : 0,
          .peak_resident_bytes = stats.at("peak_resident_bytes"),
          .peak_charged_bytes = group != nullptr ? static_cast<double>(group->peak_bytes()) : 0,
          .limit_hits = group != nullptr ? static_cast<double>(group->n_hits()) : 0};
}

MeasuredRun read_run(const std::string& text, const MemoryCgroup* group) {
  const Json run = Json::parse(text);
  return {.budget_bytes = run.at("stats").at("budget_bytes"),
          .io = unwrap(parse_io_mode(run.at("engine").at("io").get<std::string>())),
          .notes = run.at("notes"),
          .measurement = figures(run.at("stats"), group)};
}

}  // namespace

std::vector<std::string> run_arguments(const Workload& workload, const EngineOptions& options) {
  std::vector<std::string> arguments = {"run",
                                        workload.model,
                                        "--tokens",
                                        prompt_text(workload),
                                        "-n",
                                        fmt::format("{}", workload.decode_tokens + 1),
                                        "--ignore-eos",
                                        "--temp",
                                        "0"};
  if (workload.warm_up) arguments.emplace_back("--warm-up");
  const auto add = [&](const char* option, auto value) {
    arguments.insert(arguments.end(), {option, fmt::format("{}", value)});
  };
  add("--io", to_string(options.io));
  add("--lock", to_string(options.lock));
  add("--preserve", to_string(options.preserve));
  add("--cache-type", to_string(options.cache_type));
  if (options.budget_bytes > 0) add("--budget", options.budget_bytes);
  if (options.context_length > 0) add("--ctx", options.context_length);
  if (options.n_threads > 0) add("--threads", options.n_threads);
  if (options.batch > 0) add("--batch", options.batch);
  if (options.slot_bytes > 0) add("--slots", options.slot_bytes);
  for (const std::string& mirror : options.mirrors)
    add("--mirror", mirror);
  return arguments;
}

Result<MeasuredRun> measure(const Workload& workload, const EngineOptions& options,
                            const std::stop_token& stop) {
  std::unique_ptr<MemoryCgroup> group;
  if (workload.limit_memory) group = unwrap(MemoryCgroup::create(options.budget_bytes));
  drop_cached(workload.files);
  std::vector<std::string> arguments = run_arguments(workload, options);
  arguments.insert(arguments.end(), {"--json", "--quiet"});
  const ChildResult child = run_child(arguments, group ? group->folder() : "", stop);
  if (child.exit_status != kDone) {
    return tl::unexpected(explain(child, group.get(), options, stop));
  }
  return read_run(child.out, group.get());
}

}  // namespace flexinfer::cli
