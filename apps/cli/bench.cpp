// flexinfer bench: speed under one or several budgets, beside the bound. It times nothing itself: every
// figure comes from a `flexinfer run` that anyone can repeat.
#include <algorithm>
#include <array>
#include <memory>
#include <span>

#include "bench_report.h"
#include "command.h"
#include "exit_status.h"
#include "failure.h"
#include "interrupt.h"
#include "memory_cgroup.h"
#include "options.h"
#include "output_file.h"
#include "terminal.h"
#include "work.h"

namespace flexinfer::cli {
namespace {

struct BenchOptions {
  std::string model;
  EngineOptions engine;  // what all rows share
  std::vector<BudgetItem> budgets;
  std::vector<IoMode> io = {EngineOptions{}.io};
  std::vector<LockPolicy> lock = {EngineOptions{}.lock};
  std::vector<Preservation> preserve = {EngineOptions{}.preserve};
  bool ablation = false;
  bool warm_up = false;
  bool limit_memory = false;
  int64_t prompt_tokens = Workload{}.prompt_tokens;
  int64_t decode_tokens = Workload{}.decode_tokens;
  int repeat = 3;
  std::string csv_path;
  std::string svg_path;
  OutputOptions output;
};

constexpr auto kExamples = R"(Examples:
  flexinfer bench model.gguf --budget 2GiB
  flexinfer bench model.gguf --budgets 25%,50%,100% --repeat 5
  flexinfer bench model.gguf --budget 2GiB --lock balanced,prefix,none --io uring,mmap --json
  flexinfer bench model.gguf --ablation --budgets 25%,50%,75% --csv speed.csv --svg speed.svg)";

// The steps from the usual way to this engine's, each one technique more than the step before it; the last
// three differ only in what they keep.
struct Technique {
  const char* name;
  IoMode io;
  LockPolicy lock;
  Preservation preserve;
};
constexpr std::array kAblation = {
    Technique{"mmap", IoMode::kMmap, LockPolicy::kBalanced, Preservation::kFlexible},
    Technique{"synchronous", IoMode::kSync, LockPolicy::kNone, Preservation::kFlexible},
    Technique{"asynchronous", IoMode::kAuto, LockPolicy::kNone, Preservation::kFlexible},
    Technique{"prefix locking", IoMode::kAuto, LockPolicy::kPrefix, Preservation::kFlexible},
    Technique{"balanced, attention", IoMode::kAuto, LockPolicy::kBalanced, Preservation::kAttention},
    Technique{"balanced, ffn", IoMode::kAuto, LockPolicy::kBalanced, Preservation::kFfn},
    Technique{"balanced, flexible", IoMode::kAuto, LockPolicy::kBalanced, Preservation::kFlexible},
};

std::vector<uint64_t> budgets_of(const BenchOptions& options, uint64_t model_bytes) {
  if (!options.budgets.empty()) return resolve_budgets(options.budgets, model_bytes);
  if (options.ablation && options.engine.budget_bytes == 0) {
    return resolve_budgets(unwrap(parse_budgets("25%,50%,75%")), model_bytes);
  }
  return {options.engine.budget_bytes};
}

std::vector<Technique> techniques_of(const BenchOptions& options) {
  if (options.ablation) return {kAblation.begin(), kAblation.end()};
  std::vector<Technique> techniques;
  for (const IoMode io : options.io) {
    for (const LockPolicy lock : options.lock) {
      for (const Preservation preserve : options.preserve)
        techniques.push_back({"", io, lock, preserve});
    }
  }
  return techniques;
}

std::vector<BenchRow> make_rows(const BenchOptions& options, uint64_t model_bytes) {
  std::vector<BenchRow> rows;
  for (const uint64_t budget_bytes : budgets_of(options, model_bytes)) {
    for (const Technique& technique : techniques_of(options)) {
      EngineOptions engine = options.engine;
      engine.budget_bytes = budget_bytes;
      engine.io = technique.io;
      engine.lock = technique.lock;
      engine.preserve = technique.preserve;
      rows.push_back(
          {.technique = technique.name, .options = engine, .error = {}, .notes = {}, .measurements = {}});
    }
  }
  return rows;
}

// An ablation wants each measurement limited to its budget, without which mmap has all memory of the machine;
// where the system grants no limits it goes without, and says so. Asked for, it is a must.
bool can_limit_memory(const BenchOptions& options) {
  if (!options.limit_memory && !options.ablation) return false;
  constexpr uint64_t kAnyLimit = 1ULL << 30;
  const auto group = MemoryCgroup::create(kAnyLimit);
  if (group) return true;
  if (options.limit_memory) throw Failure(group.error());
  if (!options.output.quiet) say("note: {}; mmap has more memory than its budget", group.error().message);
  return false;
}

BenchReport make_report(const BenchOptions& options) {
  const ModelInfo model = unwrap(inspect_model(options.model));
  BenchReport report;
  for (const auto& tensor : model.tensors)
    report.model_bytes += tensor.size_bytes;
  report.machine = describe_machine();
  if (options.engine.n_threads > 0) report.machine.n_threads = options.engine.n_threads;
  report.repeat = options.repeat;
  report.rows = make_rows(options, report.model_bytes);
  if (options.limit_memory && report.rows.front().options.budget_bytes == 0) {
    throw Failure(ErrorCode::kUsage, "--limit-memory needs a limit: give --budget or --budgets");
  }
  report.workload = {.model = options.model,
                     .files = model.files,
                     .vocab_size = unwrap(Vocabulary::open(options.model)).size(),
                     .prompt_tokens = options.prompt_tokens,
                     .decode_tokens = options.decode_tokens,
                     .warm_up = options.warm_up,
                     .limit_memory = can_limit_memory(options)};
  return report;
}

void say_measurement(const BenchRow& row, bool verbose) {
  const std::string name = describe(row);
  if (row.measurements.size() == 1) {
    for (const std::string& note : row.notes)
      say("note: {}: {}", name, printable(note));
  }
  const Measurement& measured = row.measurements.back();
  if (!verbose) return;
  say("{}: round {}, prefill {} tok/s, decode {} tok/s", name, row.measurements.size(),
      format_figure(measured.prefill_tok_s), format_figure(measured.decode_tok_s));
}

void measure_row(const Workload& workload, BenchRow& row, const std::stop_token& stop) {
  Result<MeasuredRun> run = measure(workload, row.options, stop);
  if (!run) {
    row.error = std::move(run.error());
    return;
  }
  row.options.budget_bytes = run->budget_bytes;
  row.options.io = run->io;
  row.notes = std::move(run->notes);
  row.measurements.push_back(run->measurement);
}

// Round after round over all rows, so that a slow moment of the machine does not fall on one of them alone.
void measure_all(const OutputOptions& output, BenchReport& report) {
  Interrupt interrupt;
  ProgressBar bar(shows_progress(output), "bench");
  const size_t total = report.rows.size() * static_cast<size_t>(report.repeat);
  size_t done = 0;
  for (int round = 0; round < report.repeat; ++round) {
    for (BenchRow& row : report.rows) {
      bar.show(static_cast<double>(done++) / static_cast<double>(total), describe(row));
      if (row.error) continue;
      measure_row(report.workload, row, interrupt.token());
      bar.clear();
      if (!output.quiet && !row.error) say_measurement(row, output.verbose);
    }
  }
}

// Opened before anything is measured: a path that cannot be written is found out at once.
std::unique_ptr<OutputFile> open_output(const std::string& path) {
  return path.empty() ? nullptr : std::make_unique<OutputFile>(path);
}

void write_whole(OutputFile& file, const std::string& text) {
  file.write(std::as_bytes(std::span(text)));
  file.commit();
}

void show(const BenchReport& report, const OutputOptions& output) {
  if (output.json) return print_json(report_json(report));
  if (!output.quiet) {
    const MachineInfo& machine = report.machine;
    say("{}, {} threads, {} of memory, {} kernels; medians of {}, each run {}", printable(machine.cpu),
        machine.n_threads, format_bytes(machine.memory_bytes), machine.kernels, report.repeat,
        report.workload.limit_memory ? "in a memory cgroup of its budget" : "without a memory limit");
  }
  write_stdout(report_text(report));
}

int bench(const BenchOptions& options) {
  BenchReport report = make_report(options);
  const auto csv = open_output(options.csv_path);
  const auto svg = open_output(options.svg_path);
  measure_all(options.output, report);
  if (std::ranges::all_of(report.rows, [](const BenchRow& row) { return row.error.has_value(); })) {
    throw Failure(*report.rows.front().error);
  }
  show(report, options.output);
  if (csv) write_whole(*csv, report_csv(report));
  if (svg) write_whole(*svg, report_svg(report));
  return kDone;
}

void add_lists(CLI::App& app, BenchOptions& options) {
  const auto list = [](auto parse_item) {
    return [parse_item](std::string_view text) {
      using Item = typename decltype(parse_item(text))::value_type;
      return parse_list<Item>(text, parse_item);
    };
  };
  add_parsed(app, "--io", options.io,
             "how weights are read: uring, threads, sync, mmap, or several: uring,mmap", list(parse_io_mode))
      ->type_name("MODES")
      ->group(kMovementGroup);
  add_parsed(app, "--lock", options.lock, "which weights stay: balanced, prefix, none, or several",
             list(parse_lock_policy))
      ->type_name("POLICIES")
      ->group(kMovementGroup)
      ->default_str("balanced");
  add_parsed(app, "--preserve", options.preserve,
             "which tensors stay first: flexible, attention, ffn, or several", list(parse_preservation))
      ->type_name("KINDS")
      ->group(kMovementGroup)
      ->default_str("flexible");
  add_slots(app, options.engine);
  add_mirrors(app, options.engine);
  auto* ablation = app.add_flag("--ablation", options.ablation,
                                "measure what each technique gains: mmap, synchronous direct reads, "
                                "asynchronous ones, prefix locking, balanced locking with each preservation "
                                "(without budgets: at 25, 50 and 75 % of the model)");
  ablation->group(kMovementGroup);
  for (const char* fixed : {"--io", "--lock", "--preserve"})
    ablation->excludes(app.get_option(fixed));
}

void add_outputs(CLI::App& app, BenchOptions& options) {
  app.add_option("--csv", options.csv_path, "also write the figures as comma-separated values")
      ->type_name("FILE")
      ->group(kOutputGroup);
  app.add_option("--svg", options.svg_path, "also draw the curves: tokens per second against budget")
      ->type_name("FILE")
      ->group(kOutputGroup);
  add_output_options(
      app, options.output,
      {.quiet = "nothing but the table and errors", .verbose = "also each measurement as it is made"});
}

}  // namespace

Command add_bench(CLI::App& program) {
  auto* app = program.add_subcommand("bench", "Measures prefill and decode under one or several budgets");
  const auto options = std::make_shared<BenchOptions>();
  add_model(*app, options->model);
  constexpr int64_t kAnyCount = std::numeric_limits<int64_t>::max() - 1;  // one comes with the prompt
  const auto add = [app](const std::string& name, auto& value, auto max, const std::string& help) {
    add_number(*app, name, value, decltype(max){1}, max, help);
  };
  add("-p,--prompt-tokens", options->prompt_tokens, kMostPromptTokens, "tokens of the prompt");
  add("-n,--predict", options->decode_tokens, kAnyCount, "tokens decoded after the first sweep");
  add("--repeat", options->repeat, 1000, "measurements of each kind, taken in turn; the medians are shown");
  app->add_flag(
      "--warm-up", options->warm_up,
      "compute the prompt once before it counts, so that it is timed with what stays in memory in place; the "
      "time to the first token holds both");
  add_memory_options(*app, options->engine);
  add_parsed(*app, "--budgets", options->budgets,
             "several budgets: sizes or percentages of the model's weights, or a range of ten (10%..100%)",
             parse_budgets)
      ->type_name("LIST")
      ->group(kMemoryGroup)
      ->excludes(app->get_option("--budget"));
  app->add_flag("--limit-memory", options->limit_memory,
                "run each measurement in a memory cgroup of exactly its budget (an ablation does where the "
                "system allows it)")
      ->group(kMemoryGroup);
  add_lists(*app, *options);
  add_outputs(*app, *options);
  app->footer(kExamples);
  return {app, [options] { return bench(*options); }};
}

}  // namespace flexinfer::cli
