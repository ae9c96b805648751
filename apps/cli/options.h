// The options that mean the same in every subcommand.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <string_view>

#include "flexinfer/options.h"
#include "parse.h"

namespace flexinfer::cli {

struct OutputOptions {
  bool json = false;
  bool quiet = false;
  bool verbose = false;
};

// What -q and -v do in one subcommand, for its help.
struct OutputHelp {
  std::string quiet;
  std::string verbose;
};

// An option whose text goes through `parse`, a function string_view -> Result<T>; a refusal is wrong usage.
template <class T, class Parse>
CLI::Option* add_parsed(CLI::App& app, const std::string& name, T& value, const std::string& help,
                        Parse parse) {
  const std::string shown = name.substr(name.rfind(',') + 1);
  const auto set = [&value, parse, shown](const std::string& text) {
    Result<T> parsed = parse(text);
    if (!parsed) throw CLI::ValidationError(shown, parsed.error().message);
    value = std::move(*parsed);
  };
  return app.add_option_function<std::string>(name, set, help);
}

// A number in [min, max]; what it holds is the default.
template <class T>
CLI::Option* add_number(CLI::App& app, const std::string& name, T& value, T min, T max,
                        const std::string& help) {
  const auto parse = [min, max](std::string_view text) { return parse_number<T>(text, min, max); };
  return add_parsed(app, name, value, help, parse)->type_name("N")->default_str(fmt::format("{}", value));
}

void add_model(CLI::App& app, std::string& path);
// How much memory, and what for: --budget --ctx --cache-type --batch; and --threads.
void add_memory_options(CLI::App& app, EngineOptions& options);
void add_threads(CLI::App& app, int& n_threads);
// How weights move: --io --lock --preserve --slots --mirror.
void add_movement_options(CLI::App& app, EngineOptions& options);
void add_slots(CLI::App& app, EngineOptions& options);
void add_mirrors(CLI::App& app, EngineOptions& options);
void add_sampling_options(CLI::App& app, SamplingOptions& options);
void add_output_options(CLI::App& app, OutputOptions& options, const OutputHelp& help);

// The group of help that an option stands in.
inline constexpr auto kMemoryGroup = "Memory";
inline constexpr auto kMovementGroup = "How weights move";
inline constexpr auto kTextGroup = "Text";
inline constexpr auto kOutputGroup = "Output";

}  // namespace flexinfer::cli
