// flexinfer run: generates text.
#include <memory>
#include <optional>

#include "command.h"
#include "exit_status.h"
#include "failure.h"
#include "json.h"
#include "prompt.h"
#include "prompt_cache.h"
#include "show_generation.h"
#include "terminal.h"
#include "work.h"

namespace flexinfer::cli {
namespace {

struct RunOptions {
  std::string model;
  PromptOptions prompt;
  EngineOptions engine;
  SamplingOptions sampling;
  std::optional<std::string> prompt_cache;
  int64_t n_predict = GenerateRequest{}.n_predict;
  bool ignore_eos = false;
  bool warm_up = false;
  OutputOptions output;
};

constexpr auto kExamples = R"(Examples:
  flexinfer run model.gguf -p "Once upon a time" -n 64
  flexinfer run model.gguf --budget 4GiB -f prompt.txt --temp 0
  flexinfer run model.gguf --prompt-cache rules.kv -f rules-and-question.txt
  echo "The capital of France is" | flexinfer run model.gguf --json)";

// Computes the prompt once and forgets it: weights that stay are in memory from then on, and so are pages
// that the prompt's own numbers take.
SessionStats warm_up(Session& session, const std::vector<Token>& tokens) {
  unwrap(session.append(tokens));
  session.clear();
  return session.stats();
}

// Those of a session without the prompt of its warming up.
SessionStats stats_since(const SessionStats& warm, SessionStats stats) {
  stats.prefill_tokens -= warm.prefill_tokens;
  stats.prefill_seconds -= warm.prefill_seconds;
  return stats;
}

void say_speed(const GenerateResult& result, const SessionStats& stats) {
  say("{} tokens after {} of prompt: {} tok/s (predicted {}, at most {}), first after {}, {} read for each",
      result.tokens.size(), stats.prefill_tokens, format_figure(stats.decode_tok_s()),
      format_figure(stats.predicted_decode_tok_s), format_figure(stats.bound_decode_tok_s),
      format_seconds(stats.first_token_seconds), format_bytes(stats.bytes_read_per_token()));
}

void print_result(const GenerateResult& result, size_t n_prompt, int64_t n_reused,
                  const std::vector<std::string>& cache_notes, const SessionStats& stats, OpenModel& model) {
  std::vector<std::string> notes = all_notes(model.engine(), model.session());
  notes.insert(notes.end(), cache_notes.begin(), cache_notes.end());
  print_json({{"text", result.text},
              {"tokens", result.tokens},
              {"prompt_tokens", n_prompt},
              {"reused_tokens", n_reused},
              {"finish_reason", result.finish_reason},
              {"notes", std::move(notes)},
              {"engine", engine_json(model.engine(), model.session())},
              {"copies", to_json(model.session().copies())},
              {"stats", to_json(stats, model.engine().plan())}});
}

int run(const RunOptions& options) {
  const std::string text = options.prompt.tokens.empty() ? read_text(options.prompt) : "";
  Interrupt interrupt;
  OpenModel model(options.model, options.engine, options.output, interrupt);
  const std::vector<Token> tokens = prompt_tokens(options.prompt, text, model.engine().vocabulary());
  const SessionStats warm = options.warm_up ? warm_up(model.session(), tokens) : SessionStats{};
  PromptCache cache(options.prompt_cache);
  const int64_t n_reused = cache.restore(model.session(), tokens);
  const GenerateRequest request{.prompt = {tokens.begin() + n_reused, tokens.end()},
                                .n_predict = options.n_predict,
                                .ignore_eos = options.ignore_eos,
                                .sampling = options.sampling};
  const GenerateResult result = show_generation(model, request, options.output, interrupt,
                                                [&] { cache.keep(model.session(), tokens.size()); });
  const SessionStats stats = stats_since(warm, model.session().stats());
  if (options.output.json) {
    print_result(result, tokens.size(), n_reused, cache.take_notes(), stats, model);
  } else if (!options.output.quiet) {
    say_notes(cache.take_notes());
    say_speed(result, stats);
    say_resources(stats, model.engine().plan(), options.output.verbose);
    say_copies(model.session().copies());
    model.say_new_notes();
  }
  return result.finish_reason == "interrupted" ? kInterrupted : kDone;
}

}  // namespace

Command add_run(CLI::App& program) {
  auto* app = program.add_subcommand("run", "Generates text from a prompt");
  const auto options = std::make_shared<RunOptions>();
  add_model(*app, options->model);
  add_text_options(*app, options->prompt);
  add_tokens_option(*app, options->prompt);
  add_number<int64_t>(*app, "-n,--predict", options->n_predict, -1, std::numeric_limits<int64_t>::max(),
                      "tokens to generate; -1: until the model ends or the context is full")
      ->group(kTextGroup);
  app->add_flag("--ignore-eos", options->ignore_eos, "go on where the model would end")->group(kTextGroup);
  app->add_flag("--warm-up", options->warm_up,
                "compute the prompt once before it counts, so that it is timed with what stays in memory in "
                "place; the time to the first token holds both")
      ->group(kMovementGroup);
  add_prompt_cache(*app, options->prompt_cache);
  add_sampling_options(*app, options->sampling);
  add_memory_options(*app, options->engine);
  add_movement_options(*app, options->engine);
  add_output_options(*app, options->output,
                     {.quiet = "nothing but the text and errors", .verbose = "also how the time was spent"});
  app->footer(kExamples);
  return {app, [options] { return run(*options); }};
}

}  // namespace flexinfer::cli
