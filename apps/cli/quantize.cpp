// flexinfer quantize: writes a model in another type.
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

struct QuantizeOptions {
  std::string source;
  std::string path;
  std::string type;
  int n_threads = 0;
  bool force = false;
  OutputOptions output;
};

constexpr auto kExamples = R"(Examples:
  flexinfer quantize model-F16.gguf model-Q4_K.gguf Q4_K
  flexinfer quantize model-00001-of-00003.gguf model-Q8_0.gguf Q8_0 --threads 4

Vectors, norms, biases and the routers of experts stay F32, and the output head is written in Q6_K where a smaller
type is asked for. Rows that are not whole blocks fall back: Q4_K to Q5_0, Q5_K to Q5_1, Q6_K to Q8_0, these to F16.)";

QuantizeResult write_model(const QuantizeOptions& options) {
  Interrupt interrupt;
  ProgressBar bar(shows_progress(options.output), options.path);
  const auto on_progress = [&](uint64_t done_bytes, uint64_t total_bytes) {
    bar.show(static_cast<double>(done_bytes) / static_cast<double>(total_bytes),
             fmt::format("{} of {}", format_bytes(done_bytes), format_bytes(total_bytes)));
    return !interrupt.requested();
  };
  return unwrap(quantize_model(options.source, options.path, options.type, options.n_threads, on_progress));
}

int quantize(const QuantizeOptions& options) {
  refuse_existing(options.path, options.force);
  const auto start = std::chrono::steady_clock::now();
  const QuantizeResult result = write_model(options);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (options.output.json) {
    print_json({{"path", options.path},
                {"type", options.type},
                {"source_bytes", result.source_bytes},
                {"written_bytes", result.written_bytes},
                {"seconds", seconds},
                {"notes", result.notes}});
  } else if (!options.output.quiet) {
    say_notes(result.notes);
    say("{}: {} of weights became {} in {} ({}/s)", printable(options.path),
        format_bytes(result.source_bytes), format_bytes(result.written_bytes), format_seconds(seconds),
        format_bytes(static_cast<uint64_t>(static_cast<double>(result.source_bytes) / seconds)));
  }
  return kDone;
}

}  // namespace

Command add_quantize(CLI::App& program) {
  auto* app = program.add_subcommand("quantize", "Writes a model in another type");
  const auto options = std::make_shared<QuantizeOptions>();
  app->add_option("IN", options->source, "the model: a GGUF file, or the first part of a split one")
      ->required()
      ->type_name("");
  app->add_option("OUT", options->path, "the file to write")->required()->type_name("");
  app->add_option(
         "TYPE", options->type,
         "type of the weight matrices: F32, F16, BF16, Q8_0, Q6_K, Q5_K, Q4_K, Q5_1, Q5_0, Q4_1, Q4_0")
      ->required()
      ->type_name("");
  add_threads(*app, options->n_threads);
  app->add_flag("--force", options->force, "replace the file where it exists");
  add_output_options(*app, options->output, {.quiet = "nothing but errors", .verbose = "as without it"});
  app->footer(kExamples);
  return {app, [options] { return quantize(*options); }};
}

}  // namespace flexinfer::cli
