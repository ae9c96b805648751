// flexinfer logits: the logits after every token of a given sequence.
#include <algorithm>
#include <bit>
#include <memory>

#include "command.h"
#include "exit_status.h"
#include "failure.h"
#include "json.h"
#include "output_file.h"
#include "terminal.h"
#include "work.h"

namespace flexinfer::cli {
namespace {

static_assert(std::endian::native == std::endian::little, "the file is written as the floats lie in memory");

struct LogitsOptions {
  std::string model;
  std::vector<Token> tokens;
  std::string path;
  EngineOptions engine;
  OutputOptions output;
};

constexpr auto kExamples = R"(Examples:
  flexinfer logits model.gguf --tokens 1,15,9 --output logits.f32
  flexinfer logits model.gguf --tokens 1,15,9 -o logits.f32 --cache-type f32 --budget 64MiB)";

// What went wrong in the callback is carried past the library, which nothing may be thrown through.
Status write_row(OutputFile& file, std::span<const float> row) {
  try {
    file.write(std::as_bytes(row));
  } catch (const Failure& failure) {
    return tl::unexpected(failure.error());
  }
  return {};
}

int write_logits(LogitsOptions options) {
  Interrupt interrupt;
  OutputFile file(options.path);
  options.engine.logits_everywhere = true;
  if (options.engine.context_length == 0)
    options.engine.context_length = static_cast<int64_t>(options.tokens.size());
  OpenModel model(options.model, options.engine, options.output, interrupt);
  ProgressBar bar(shows_progress(options.output), "logits");
  const auto on_logits = [&](size_t index, std::span<const float> row) {
    model.announce();
    bar.show(static_cast<double>(index + 1) / static_cast<double>(options.tokens.size()));
    return write_row(file, row);
  };
  unwrap(model.session().append_with_logits(options.tokens, on_logits));
  file.commit();
  bar.clear();
  const SessionStats stats = model.session().stats();
  const PlanSummary& plan = model.engine().plan();
  if (options.output.json) {
    print_json({{"positions", options.tokens.size()},
                {"vocab", model.engine().vocabulary().size()},
                {"output", options.path},
                {"notes", all_notes(model.engine(), model.session())},
                {"stats", to_json(stats, plan)}});
  } else if (!options.output.quiet) {
    say("{}: {} positions of {} logits", printable(options.path), options.tokens.size(),
        model.engine().vocabulary().size());
    say_resources(stats, plan, options.output.verbose);
  }
  return kDone;
}

}  // namespace

Command add_logits(CLI::App& program) {
  auto* app = program.add_subcommand("logits", "Writes the logits at every position of a sequence of tokens");
  const auto options = std::make_shared<LogitsOptions>();
  add_model(*app, options->model);
  add_parsed(*app, "--tokens", options->tokens, "token ids: 1,15,9", parse_tokens)
      ->type_name("IDS")
      ->required();
  app->add_option("-o,--output", options->path,
                  "the file to write: little-endian float32, positions x vocabulary; it is replaced")
      ->type_name("FILE")
      ->required();
  add_memory_options(*app, options->engine);
  app->get_option("--ctx")->default_str("as many as there are tokens");
  add_movement_options(*app, options->engine);
  add_output_options(*app, options->output,
                     {.quiet = "nothing but errors", .verbose = "also how the time was spent"});
  app->footer(kExamples);
  return {app, [options] { return write_logits(*options); }};
}

}  // namespace flexinfer::cli
