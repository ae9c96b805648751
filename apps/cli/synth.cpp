// flexinfer synth: a model file of a known shape, to try a machine before a download.
#include <chrono>
#include <memory>

#include "command.h"
#include "exit_status.h"
#include "failure.h"
#include "interrupt.h"
#include "json.h"
#include "options.h"
#include "output_file.h"
#include "terminal.h"
#include "work.h"

namespace flexinfer::cli {
namespace {

struct SynthOptions {
  std::string shape;
  std::string type = "Q4_0";
  std::string path;
  uint64_t seed = 0;
  bool list = false;
  bool force = false;
  OutputOptions output;
};

constexpr auto kExamples = R"(Examples:
  flexinfer synth --list
  flexinfer synth llama2-7b --type Q4_0 -o llama2-7b.gguf)";

int list_shapes(const OutputOptions& output) {
  if (output.json) {
    Json shapes = Json::array();
    for (const auto& [name, n_parameters] : synthetic_shapes()) {
      shapes.push_back({{"name", name}, {"parameters", n_parameters}});
    }
    print_json({{"shapes", std::move(shapes)}});
    return kDone;
  }
  Table table({"shape", "parameters"});
  for (const auto& [name, n_parameters] : synthetic_shapes())
    table.add({name, fmt::format("{}", n_parameters)});
  write_stdout(table.text());
  return kDone;
}

uint64_t write_model(const SynthOptions& options) {
  Interrupt interrupt;
  ProgressBar bar(shows_progress(options.output), options.path);
  uint64_t size_bytes = 0;
  const auto on_progress = [&](uint64_t done_bytes, uint64_t total_bytes) {
    size_bytes = total_bytes;
    bar.show(static_cast<double>(done_bytes) / static_cast<double>(total_bytes),
             fmt::format("{} of {}", format_bytes(done_bytes), format_bytes(total_bytes)));
    return !interrupt.requested();
  };
  unwrap(write_synthetic(options.shape, options.type, options.path, options.seed, on_progress));
  return size_bytes;
}

int synth(const SynthOptions& options) {
  if (options.list) return list_shapes(options.output);
  if (options.shape.empty() || options.path.empty()) {
    throw Failure(ErrorCode::kUsage,
                  "synth needs a SHAPE and -o FILE (see flexinfer synth --list and --help)");
  }
  refuse_existing(options.path, options.force);
  const auto start = std::chrono::steady_clock::now();
  const uint64_t size_bytes = write_model(options);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (options.output.json) {
    print_json({{"path", options.path},
                {"shape", options.shape},
                {"type", options.type},
                {"size_bytes", size_bytes},
                {"seconds", seconds}});
  } else if (!options.output.quiet) {
    say("{}: wrote {} in {} ({}/s)", printable(options.path), format_bytes(size_bytes),
        format_seconds(seconds),
        format_bytes(static_cast<uint64_t>(static_cast<double>(size_bytes) / seconds)));
    if (options.output.verbose) say("shape {}, type {}, seed {}", options.shape, options.type, options.seed);
  }
  return kDone;
}

}  // namespace

Command add_synth(CLI::App& program) {
  auto* app = program.add_subcommand(
      "synth", "Writes a model of a known shape with deterministic pseudo-random weights");
  const auto options = std::make_shared<SynthOptions>();
  app->add_option("SHAPE", options->shape, "the shape: one that --list names")->type_name("");
  app->add_option("--type", options->type, "type of the weight matrices")
      ->type_name("TYPE")
      ->capture_default_str();
  app->add_option("-o,--output", options->path, "the file to write")->type_name("FILE");
  add_number<uint64_t>(*app, "--seed", options->seed, 0, std::numeric_limits<uint64_t>::max(),
                       "seed of the weights: the same seed gives the same file");
  app->add_flag("--force", options->force, "replace the file where it exists");
  app->add_flag("--list", options->list, "list the shapes");
  add_output_options(*app, options->output,
                     {.quiet = "nothing but errors", .verbose = "also what it was made of"});
  app->footer(kExamples);
  return {app, [options] { return synth(*options); }};
}

}  // namespace flexinfer::cli
