// A generation as the user sees it come.
#pragma once

#include <functional>

#include "flexinfer/engine.h"
#include "interrupt.h"
#include "options.h"
#include "work.h"

namespace flexinfer::cli {

// Generates; writes the text to standard output as it comes (not with --json) and progress to the terminal.
// Where SIGINT or a closed output cuts it short, the result has what was shown until then, and "interrupted"
// as its reason. `on_prompt_done` is called, and must not throw, after the first token: the session holds the
// prompt alone then. Throws Failure.
GenerateResult show_generation(OpenModel& model, const GenerateRequest& request, const OutputOptions& output,
                               Interrupt& interrupt, const std::function<void()>& on_prompt_done = {});

}  // namespace flexinfer::cli
