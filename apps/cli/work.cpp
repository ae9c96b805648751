#include "work.h"

#include "failure.h"
#include "terminal.h"

namespace flexinfer::cli {

OpenModel::OpenModel(const std::string& path, const EngineOptions& options, const OutputOptions& output,
                     const Interrupt& interrupt)
    : path_(path),
      output_(output),
      engine_(unwrap(Engine::open(path, options))),
      session_(unwrap(engine_.new_session())) {
  session_.set_stop_token(interrupt.token());
}

void OpenModel::announce() {
  if (announced_ || output_.quiet) return;
  announced_ = true;
  if (!output_.json) say_plan(path_, engine_.plan());
  say_new_notes();
}

void OpenModel::say_new_notes() {
  if (output_.quiet) return;
  std::vector<std::string> notes = all_notes(engine_, session_);
  notes.erase(notes.begin(), notes.begin() + static_cast<std::ptrdiff_t>(n_notes_said_));
  n_notes_said_ += notes.size();
  say_notes(notes);
}

void say_notes(const std::vector<std::string>& notes) {
  for (const std::string& note : notes)
    say("note: {}", printable(note));
}

void say_plan(const std::string& path, const PlanSummary& plan) {
  if (plan.streamed_bytes_per_sweep == 0) {
    say("{}: all {} of weights stay in memory (budget {})", printable(path), format_bytes(plan.model_bytes),
        format_bytes(plan.budget_bytes));
  } else {
    say("{}: of {} of weights {} stay in memory, {} stream for each token (budget {})", printable(path),
        format_bytes(plan.model_bytes), format_bytes(plan.locked_bytes),
        format_bytes(plan.streamed_bytes_per_sweep), format_bytes(plan.budget_bytes));
  }
  say("predicted: {} tok/s of at most {} (bound by {}), first token after {}; context {}{}",
      format_figure(plan.predicted_decode_tok_s), format_figure(plan.bound_decode_tok_s), plan.limit,
      format_seconds(plan.predicted_first_token_seconds), plan.context_length,
      plan.context_reduced ? ", reduced to fit the budget" : "");
}

void say_resources(const SessionStats& stats, const PlanSummary& plan, bool verbose) {
  const double seconds = stats.prefill_seconds + stats.decode_seconds;
  say("read {}, waited for reads {} of the time; peak {} resident of a budget of {}",
      format_bytes(stats.bytes_read), format_percent(seconds > 0 ? stats.stall_seconds / seconds : 0),
      format_bytes(stats.peak_resident_bytes), format_bytes(plan.budget_bytes));
  if (!verbose) return;
  say("load {}, prefill {} ({} tok/s), decode {}; {} sweeps, {} waited", format_seconds(stats.load_seconds),
      format_seconds(stats.prefill_seconds), format_figure(stats.prefill_tok_s()),
      format_seconds(stats.decode_seconds), stats.sweeps, format_seconds(stats.stall_seconds));
}

void say_copies(const std::vector<CopyStats>& copies) {
  for (const CopyStats& copy : copies) {
    say("read {} from {} at {}/s", format_bytes(copy.bytes_read), printable(copy.path),
        format_bytes(static_cast<uint64_t>(copy.bytes_per_second)));
  }
}

std::vector<std::string> all_notes(const Engine& engine, const Session& session) {
  std::vector<std::string> notes = engine.notes();
  notes.insert(notes.end(), session.notes().begin(), session.notes().end());
  return notes;
}

bool shows_progress(const OutputOptions& output) {
  return !output.quiet && stderr_is_terminal();
}

}  // namespace flexinfer::cli
