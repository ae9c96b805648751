#include "show_generation.h"

#include <fmt/format.h>

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "failure.h"
#include "terminal.h"

namespace flexinfer::cli {
namespace {

// What standard output refuses stops the generation and is kept for the end:
// the callbacks are called from within the library, which nothing may be thrown through.
class Display {
 public:
  Display(OpenModel& model, const OutputOptions& output, Interrupt& interrupt,
          const std::function<void()>& on_prompt_done)
      : model_(model),
        on_prompt_done_(on_prompt_done),
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
    if (on_prompt_done_ && tokens_.size() == 1) on_prompt_done_();
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
  const std::function<void()>& on_prompt_done_;
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

}  // namespace

GenerateResult show_generation(OpenModel& model, const GenerateRequest& request, const OutputOptions& output,
                               Interrupt& interrupt, const std::function<void()>& on_prompt_done) {
  Display display(model, output, interrupt, on_prompt_done);
  return finish_generation(model.session().generate(
                               request, [&](const GenerateProgress& progress) { display.progress(progress); },
                               [&](double share) { display.prefill(share); }),
                           display);
}

}  // namespace flexinfer::cli
