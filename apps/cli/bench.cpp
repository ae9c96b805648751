// flexinfer bench: speed under one or several budgets, beside the bound.
#include <algorithm>
#include <fstream>
#include <memory>

#include "command.h"
#include "exit_status.h"
#include "failure.h"
#include "json.h"
#include "terminal.h"
#include "work.h"

namespace flexinfer::cli {
namespace {

struct BenchOptions {
  std::string model;
  EngineOptions engine;  // what all variants share
  std::vector<BudgetItem> budgets;
  std::vector<IoMode> io = {EngineOptions{}.io};
  std::vector<LockPolicy> lock = {EngineOptions{}.lock};
  std::vector<Preservation> preserve = {EngineOptions{}.preserve};
  int64_t prompt_tokens = 32;
  int64_t decode_tokens = 16;
  int repeat = 3;
  OutputOptions output;
};

constexpr auto kExamples = R"(Examples:
  flexinfer bench model.gguf --budget 2GiB
  flexinfer bench model.gguf --budgets 25%,50%,100% --repeat 5
  flexinfer bench model.gguf --budget 2GiB --lock balanced,prefix,none --io uring,mmap --json)";

struct Measurement {
  double prefill_tok_s = 0;
  double decode_tok_s = 0;
  double predicted_decode_tok_s = 0;
  double bound_decode_tok_s = 0;
  double bytes_read_per_token = 0;
  double stall_share = 0;
  double peak_resident_bytes = 0;
};

// One way of running the model, and what its repetitions gave; `error` where its budget is too small.
struct Variant {
  EngineOptions asked;
  EngineOptions chosen;  // the same as asked until it has been measured
  std::vector<std::string> notes;
  std::vector<Measurement> measurements;
  std::optional<Error> error;
};

std::vector<Variant> make_variants(const BenchOptions& options) {
  std::vector<uint64_t> budgets = {options.engine.budget_bytes};
  if (!options.budgets.empty()) {
    uint64_t model_bytes = 0;
    for (const auto& tensor : unwrap(inspect_model(options.model)).tensors)
      model_bytes += tensor.size_bytes;
    budgets = resolve_budgets(options.budgets, model_bytes);
  }
  std::vector<Variant> variants;
  for (const uint64_t budget_bytes : budgets) {
    for (const IoMode io : options.io) {
      for (const LockPolicy lock : options.lock) {
        for (const Preservation preserve : options.preserve) {
          EngineOptions engine = options.engine;
          engine.budget_bytes = budget_bytes;
          engine.io = io;
          engine.lock = lock;
          engine.preserve = preserve;
          variants.push_back(
              {.asked = engine, .chosen = engine, .notes = {}, .measurements = {}, .error = {}});
        }
      }
    }
  }
  return variants;
}

// The kernel keeps the highest resident size of a process's life; a measurement wants its own. Where the
// system refuses, the figure includes the measurements before it.
void forget_peak_memory() {
  std::ofstream("/proc/self/clear_refs") << "5";
}

std::vector<Token> bench_prompt(int64_t n_tokens, int32_t vocab_size) {
  std::vector<Token> prompt;
  for (int64_t i = 0; i < n_tokens; ++i)
    prompt.push_back(static_cast<Token>((i * 7919 + 1) % vocab_size));
  return prompt;
}

// Greedy, so that every variant does the same work. The first token comes with the prefill, hence one more
// than decoded.
Measurement measure(const BenchOptions& options, Variant& variant, const Interrupt& interrupt) {
  forget_peak_memory();
  const Engine engine = unwrap(Engine::open(options.model, variant.asked));
  Session session = unwrap(engine.new_session());
  session.set_stop_token(interrupt.token());
  GenerateRequest request{.prompt = bench_prompt(options.prompt_tokens, engine.vocabulary().size()),
                          .n_predict = options.decode_tokens + 1,
                          .ignore_eos = true,
                          .sampling = {}};
  request.sampling.temperature = 0;
  unwrap(session.generate(request));
  variant.chosen = engine.options();
  variant.notes = all_notes(engine, session);
  const SessionStats stats = session.stats();
  return {.prefill_tok_s = stats.prefill_tok_s(),
          .decode_tok_s = stats.decode_tok_s(),
          .predicted_decode_tok_s = stats.predicted_decode_tok_s,
          .bound_decode_tok_s = stats.bound_decode_tok_s,
          .bytes_read_per_token = static_cast<double>(stats.bytes_read_per_token()),
          .stall_share = stats.decode_seconds > 0 ? stats.decode_stall_seconds / stats.decode_seconds : 0,
          .peak_resident_bytes = static_cast<double>(stats.peak_resident_bytes)};
}

std::string describe(const EngineOptions& options) {
  return fmt::format("{}, io {}, lock {}, preserve {}", format_bytes(options.budget_bytes),
                     to_string(options.io), to_string(options.lock), to_string(options.preserve));
}

void say_measurement(const Variant& variant, bool verbose) {
  const std::string name = describe(variant.chosen);
  if (variant.measurements.size() == 1) {
    for (const std::string& note : variant.notes)
      say("note: {}: {}", name, printable(note));
  }
  const Measurement& measured = variant.measurements.back();
  if (!verbose) return;
  say("{}: round {}, prefill {} tok/s, decode {} tok/s", name, variant.measurements.size(),
      format_figure(measured.prefill_tok_s), format_figure(measured.decode_tok_s));
}

// Round after round over all variants, so that a slow moment of the machine does not fall on one of them
// alone.
void measure_all(const BenchOptions& options, std::vector<Variant>& variants) {
  Interrupt interrupt;
  ProgressBar bar(shows_progress(options.output), "bench");
  const size_t total = variants.size() * static_cast<size_t>(options.repeat);
  size_t done = 0;
  for (int round = 0; round < options.repeat; ++round) {
    for (Variant& variant : variants) {
      bar.show(static_cast<double>(done++) / static_cast<double>(total), describe(variant.chosen));
      if (variant.error) continue;
      try {
        variant.measurements.push_back(measure(options, variant, interrupt));
      } catch (const Failure& failure) {
        if (failure.error().code != ErrorCode::kBudgetTooSmall) throw;
        variant.error = failure.error();
        continue;
      }
      bar.clear();
      if (!options.output.quiet) say_measurement(variant, options.output.verbose);
    }
  }
}

double median(const std::vector<Measurement>& measurements, double Measurement::*figure) {
  std::vector<double> values;
  for (const Measurement& measurement : measurements)
    values.push_back(measurement.*figure);
  std::ranges::sort(values);
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

Measurement medians(const std::vector<Measurement>& measurements) {
  Measurement result;
  for (const auto figure :
       {&Measurement::prefill_tok_s, &Measurement::decode_tok_s, &Measurement::bytes_read_per_token,
        &Measurement::predicted_decode_tok_s, &Measurement::bound_decode_tok_s, &Measurement::stall_share,
        &Measurement::peak_resident_bytes}) {
    result.*figure = median(measurements, figure);
  }
  return result;
}

double share_of_bound(const Measurement& measured) {
  return measured.bound_decode_tok_s > 0 ? measured.decode_tok_s / measured.bound_decode_tok_s : 0;
}

Json variant_json(const Variant& variant) {
  Json row = {{"budget_bytes", variant.chosen.budget_bytes},
              {"io", to_string(variant.chosen.io)},
              {"lock", to_string(variant.chosen.lock)},
              {"preserve", to_string(variant.chosen.preserve)}};
  if (variant.error) {
    row["error"] = variant.error->message;
    return row;
  }
  row["notes"] = variant.notes;
  const Measurement measured = medians(variant.measurements);
  row["prefill_tok_s"] = measured.prefill_tok_s;
  row["decode_tok_s"] = measured.decode_tok_s;
  row["predicted_decode_tok_s"] = measured.predicted_decode_tok_s;
  row["bound_decode_tok_s"] = measured.bound_decode_tok_s;
  row["share_of_bound"] = share_of_bound(measured);
  row["bytes_read_per_token"] = static_cast<uint64_t>(measured.bytes_read_per_token);
  row["stall_share"] = measured.stall_share;
  row["peak_resident_bytes"] = static_cast<uint64_t>(measured.peak_resident_bytes);
  return row;
}

std::string results_text(const std::vector<Variant>& variants) {
  Table table({"budget", "io", "lock", "preserve", "prefill tok/s", "decode tok/s", "predicted", "at most",
               "share", "read a token", "waited", "peak resident"});
  for (const Variant& variant : variants) {
    const EngineOptions& options = variant.chosen;
    std::vector<std::string> row = {format_bytes(options.budget_bytes), std::string(to_string(options.io)),
                                    std::string(to_string(options.lock)),
                                    std::string(to_string(options.preserve))};
    if (variant.error) {
      row.emplace_back("too small");
    } else {
      const Measurement measured = medians(variant.measurements);
      row.insert(row.end(),
                 {format_figure(measured.prefill_tok_s), format_figure(measured.decode_tok_s),
                  format_figure(measured.predicted_decode_tok_s), format_figure(measured.bound_decode_tok_s),
                  format_percent(share_of_bound(measured)),
                  format_bytes(static_cast<uint64_t>(measured.bytes_read_per_token)),
                  format_percent(measured.stall_share),
                  format_bytes(static_cast<uint64_t>(measured.peak_resident_bytes))});
    }
    table.add(std::move(row));
  }
  return table.text();
}

int bench(const BenchOptions& options) {
  std::vector<Variant> variants = make_variants(options);
  measure_all(options, variants);
  if (std::ranges::all_of(variants, [](const Variant& variant) { return variant.error.has_value(); })) {
    throw Failure(*variants.front().error);
  }
  const MachineInfo machine = describe_machine();
  if (options.output.json) {
    Json results = Json::array();
    for (const Variant& variant : variants)
      results.push_back(variant_json(variant));
    print_json({{"machine", to_json(machine)},
                {"prompt_tokens", options.prompt_tokens},
                {"decode_tokens", options.decode_tokens},
                {"repetitions", options.repeat},
                {"results", std::move(results)}});
    return kDone;
  }
  if (!options.output.quiet) {
    say("{}, {} threads, {} of memory, {} kernels; medians of {}", printable(machine.cpu), machine.n_threads,
        format_bytes(machine.memory_bytes), machine.kernels, options.repeat);
  }
  write_stdout(results_text(variants));
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
}

}  // namespace

Command add_bench(CLI::App& program) {
  auto* app = program.add_subcommand("bench", "Measures prefill and decode under one or several budgets");
  const auto options = std::make_shared<BenchOptions>();
  add_model(*app, options->model);
  constexpr int64_t kAnyCount = std::numeric_limits<int64_t>::max();
  const auto add = [app](const std::string& name, auto& value, auto max, const std::string& help) {
    add_number(*app, name, value, decltype(max){1}, max, help);
  };
  add("-p,--prompt-tokens", options->prompt_tokens, kAnyCount, "tokens of the prompt");
  add("-n,--predict", options->decode_tokens, kAnyCount, "tokens decoded after the first sweep");
  add("--repeat", options->repeat, 1000, "measurements of each kind, taken in turn; the medians are shown");
  add_memory_options(*app, options->engine);
  add_parsed(*app, "--budgets", options->budgets,
             "several budgets: sizes or percentages of the model's weights, or a range of ten (10%..100%)",
             parse_budgets)
      ->type_name("LIST")
      ->group(kMemoryGroup)
      ->excludes(app->get_option("--budget"));
  add_lists(*app, *options);
  add_output_options(
      *app, options->output,
      {.quiet = "nothing but the table and errors", .verbose = "also each measurement as it is made"});
  app->footer(kExamples);
  return {app, [options] { return bench(*options); }};
}

}  // namespace flexinfer::cli
