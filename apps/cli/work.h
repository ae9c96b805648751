// What every command that computes does around its work: open the model, say what was planned, sum up
// afterwards.
#pragma once

#include <string>
#include <vector>

#include "flexinfer/engine.h"
#include "interrupt.h"
#include "options.h"

namespace flexinfer::cli {

// A model with its one session; a SIGINT stops the session.
class OpenModel {
 public:
  OpenModel(const std::string& path, const EngineOptions& options, const OutputOptions& output,
            const Interrupt& interrupt);

  const Engine& engine() const { return engine_; }
  Session& session() { return session_; }

  // Says the plan and the notes on standard error, the first time and unless -q. For the first sign of
  // progress: what is refused at once is refused in one line.
  void announce();
  // Says the notes that have come since, unless -q.
  void say_new_notes();

 private:
  std::string path_;
  OutputOptions output_;
  bool announced_ = false;
  size_t n_notes_said_ = 0;
  Engine engine_;
  Session session_;
};

// The plan in two lines.
void say_plan(const std::string& path, const PlanSummary& plan);
// What was read, waited for and used; with `verbose` also how the time was spent.
void say_resources(const SessionStats& stats, const PlanSummary& plan, bool verbose);

// What each copy of a model has given; nothing where there is one.
void say_copies(const std::vector<CopyStats>& copies);

// What the system refused and what was done instead, each on a line of its own.
void say_notes(const std::vector<std::string>& notes);
// The notes of an engine and its session.
std::vector<std::string> all_notes(const Engine& engine, const Session& session);

// Whether progress is drawn: on a terminal, and not with -q.
bool shows_progress(const OutputOptions& output);

}  // namespace flexinfer::cli
