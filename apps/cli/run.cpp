// flexinfer run: generates text.
#include <algorithm>
#include <memory>
#include <optional>

#include "command.h"
#include "exit_status.h"
#include "failure.h"
#include "json.h"
#include "prompt.h"
#include "terminal.h"
#include "work.h"

namespace flexinfer::cli {
namespace {

struct RunOptions {
  std::string model;
  PromptOptions prompt;
  EngineOptions engine;
  SamplingOptions sampling;
  int64_t n_predict = GenerateRequest{}.n_predict;
  bool ignore_eos = false;
  OutputOptions output;
};

constexpr auto kExamples = R"(Examples:
  flexinfer run model.gguf -p "Once upon a time" -n 64
  flexinfer run model.gguf --budget 4GiB -f prompt.txt --temp 0
  echo "The capital of France is" | flexinfer run model.gguf --json)";

// Shows a generation as it comes. What standard output refuses stops the generation and is kept for the end:
// the callbacks are called from within the library, which nothing may be thrown through.
class Display {
 public:
  Display(OpenModel& model, const OutputOptions& output, Interrupt& interrupt)
      : model_(model),
        text_(!output.json),
        interrupt_(interrupt),
        bar_(shows_progress(output), "reading the model and the prompt"),
        live_(shows_progress(output)) {}

  void prefill(double share) {
    model_.announce();
    bar_.show(share);
  }

  void progress(const GenerateProgress& progress) {
    bar_.clear();
    written_ += progress.text;
    tokens_.push_back(progress.token);
    if (text_ && !progress.text.empty()) write(progress.text);
    if (const double speed = progress.stats.decode_tok_s(); speed > 0) {
      live_.show(fmt::format("{} tokens, {} tok/s", tokens_.size(), format_figure(speed)));
    }
  }

  // After the last callback; `complete` where nothing failed. Throws what writing failed with.
  void finish(bool complete) {
    bar_.clear();
    live_.clear();
    if (text_ && !failure_ && (complete || !written_.empty())) write("\n");
    if (failure_) throw Failure(*failure_);
  }

  const std::string& written() const { return written_; }
  const std::vector<Token>& tokens() const { return tokens_; }

 private:
  void write(std::string_view text) {
    live_.clear();
    try {
      write_stdout(text);
    } catch (const Failure& failure) {
      failure_ = failure.error();
      interrupt_.request_stop();
    }
  }

  OpenModel& model_;
  bool text_;
  Interrupt& interrupt_;
  ProgressBar bar_;
  LiveLine live_;
  std::string written_;
  std::vector<Token> tokens_;
  std::optional<Error> failure_;
};

// A generation that SIGINT cut short has what was shown until then.
GenerateResult finish_generation(Result<GenerateResult> result, Display& display) {
  display.finish(result.has_value());
  if (result) return std::move(*result);
  if (result.error().code != ErrorCode::kCancelled) throw Failure(std::move(result.error()));
  return {.text = display.written(), .tokens = display.tokens(), .finish_reason = "interrupted"};
}

void say_speed(const GenerateResult& result, const SessionStats& stats) {
  say("{} tokens after {} of prompt: {} tok/s (predicted {}, at most {}), first after {}, {} read for each",
      result.tokens.size(), stats.prefill_tokens, format_figure(stats.decode_tok_s()),
      format_figure(stats.predicted_decode_tok_s), format_figure(stats.bound_decode_tok_s),
      format_seconds(stats.first_token_seconds), format_bytes(stats.bytes_read_per_token()));
}

void print_result(const GenerateResult& result, size_t n_prompt, OpenModel& model) {
  const SessionStats stats = model.session().stats();
  print_json({{"text", result.text},
              {"tokens", result.tokens},
              {"prompt_tokens", n_prompt},
              {"finish_reason", result.finish_reason},
              {"notes", all_notes(model.engine(), model.session())},
              {"engine", engine_json(model.engine(), model.session())},
              {"copies", to_json(model.session().copies())},
              {"stats", to_json(stats, model.engine().plan())}});
}

int run(const RunOptions& options) {
  const std::string text = options.prompt.tokens.empty() ? read_text(options.prompt) : "";
  Interrupt interrupt;
  OpenModel model(options.model, options.engine, options.output, interrupt);
  const GenerateRequest request{.prompt = prompt_tokens(options.prompt, text, model.engine().vocabulary()),
                                .n_predict = options.n_predict,
                                .ignore_eos = options.ignore_eos,
                                .sampling = options.sampling};
  Display display(model, options.output, interrupt);
  const GenerateResult result =
      finish_generation(model.session().generate(
                            request, [&](const GenerateProgress& progress) { display.progress(progress); },
                            [&](double share) { display.prefill(share); }),
                        display);
  if (options.output.json) {
    print_result(result, request.prompt.size(), model);
  } else if (!options.output.quiet) {
    const SessionStats stats = model.session().stats();
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
  add_sampling_options(*app, options->sampling);
  add_memory_options(*app, options->engine);
  add_movement_options(*app, options->engine);
  add_output_options(*app, options->output,
                     {.quiet = "nothing but the text and errors", .verbose = "also how the time was spent"});
  app->footer(kExamples);
  return {app, [options] { return run(*options); }};
}

}  // namespace flexinfer::cli
