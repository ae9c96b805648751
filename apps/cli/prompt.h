// Where a prompt comes from: -p TEXT, -f FILE, --tokens or standard input.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "flexinfer/engine.h"

namespace flexinfer::cli {

struct PromptOptions {
  std::optional<std::string> text;
  std::optional<std::string> file;
  std::vector<Token> tokens;  // empty: the prompt is text
  bool parse_special = false;
  bool no_bos = false;
};

// -p, -f, --parse-special, --no-bos.
void add_text_options(CLI::App& app, PromptOptions& options);
// --tokens; after add_text_options.
void add_tokens_option(CLI::App& app, PromptOptions& options);

// The bytes of a file as they are.
std::string read_file(const std::string& path);
// The text that the options name; without one, all of standard input. Not to be called where tokens are
// given.
std::string read_text(const PromptOptions& options);
// The ids of a text that read_text returned, or those that the options give. Throws kUsage where there are
// none.
std::vector<Token> prompt_tokens(const PromptOptions& options, const std::string& text,
                                 const Vocabulary& vocabulary);

}  // namespace flexinfer::cli
