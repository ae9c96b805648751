// The subcommands: each file offers one function that declares its options and says what to do once they are
// parsed.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace flexinfer::cli {

struct Command {
  CLI::App* app = nullptr;       // owned by the program
  std::function<int()> execute;  // returns the exit status; throws Failure
};

Command add_run(CLI::App& program);
Command add_chat(CLI::App& program);
Command add_plan(CLI::App& program);
Command add_bench(CLI::App& program);
Command add_inspect(CLI::App& program);
Command add_logits(CLI::App& program);
Command add_perplexity(CLI::App& program);
Command add_tokenize(CLI::App& program);
Command add_template(CLI::App& program);
Command add_synth(CLI::App& program);
Command add_calibrate(CLI::App& program);
Command add_quantize(CLI::App& program);

}  // namespace flexinfer::cli
