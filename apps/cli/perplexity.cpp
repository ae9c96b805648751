// flexinfer perplexity: how well a model foretells a text.
#include <memory>

#include "command.h"
#include "exit_status.h"
#include "failure.h"
#include "json.h"
#include "prompt.h"
#include "terminal.h"
#include "work.h"

namespace flexinfer::cli {
namespace {

struct PerplexityOptions {
  std::string model;
  std::string file;
  int64_t window = 256;
  EngineOptions engine;
  OutputOptions output;
};

constexpr auto kFooter =
    R"(The text is tokenised and cut into whole windows; the first token of each is replaced by the token
for the beginning of text where the model has one; the predictions of the second half of each window
count.

Example:
  flexinfer perplexity model.gguf -f text.txt --window 256 --budget 4GiB)";

int perplexity(PerplexityOptions options) {
  const std::string text = read_file(options.file);
  Interrupt interrupt;
  options.engine.logits_everywhere = true;
  if (options.engine.context_length == 0) options.engine.context_length = options.window;
  OpenModel model(options.model, options.engine, options.output, interrupt);
  const Vocabulary& vocabulary = model.engine().vocabulary();
  const std::vector<Token> tokens = unwrap(vocabulary.encode(text, false, true));
  ProgressBar bar(shows_progress(options.output), "perplexity");
  const auto on_window = [&](int64_t done, int64_t total) {
    model.announce();
    bar.show(static_cast<double>(done) / static_cast<double>(total),
             fmt::format("{} of {} windows", done, total));
  };
  const PerplexityResult result =
      unwrap(measure_perplexity(model.session(), vocabulary, tokens, options.window, on_window));
  bar.clear();
  const SessionStats stats = model.session().stats();
  const PlanSummary& plan = model.engine().plan();
  if (options.output.json) {
    print_json({{"perplexity", result.perplexity},
                {"tokens", result.n_tokens},
                {"windows", result.n_windows},
                {"notes", all_notes(model.engine(), model.session())},
                {"stats", to_json(stats, plan)}});
    return kDone;
  }
  write_stdout(fmt::format("{:.4f}\n", result.perplexity));
  if (!options.output.quiet) {
    say("perplexity over {} windows of {} ({} tokens)", result.n_windows, options.window, result.n_tokens);
    say_resources(stats, plan, options.output.verbose);
  }
  return kDone;
}

}  // namespace

Command add_perplexity(CLI::App& program) {
  auto* app = program.add_subcommand("perplexity", "Measures how well a model foretells a text");
  const auto options = std::make_shared<PerplexityOptions>();
  add_model(*app, options->model);
  app->add_option("-f,--file", options->file, "the text")->type_name("FILE")->required();
  add_number<int64_t>(*app, "--window", options->window, 2, std::numeric_limits<int64_t>::max(),
                      "tokens in a window");
  add_memory_options(*app, options->engine);
  app->get_option("--ctx")->default_str("the window");
  add_movement_options(*app, options->engine);
  add_output_options(
      *app, options->output,
      {.quiet = "nothing but the figure and errors", .verbose = "also how the time was spent"});
  app->footer(kFooter);
  return {app, [options] { return perplexity(*options); }};
}

}  // namespace flexinfer::cli
