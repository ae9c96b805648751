// --prompt-cache FILE: what was computed of a prompt is kept for the next run that begins with it.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "flexinfer/engine.h"

namespace flexinfer::cli {

void add_prompt_cache(CLI::App& app, std::optional<std::string>& path);

// A file that cannot be used, or not be written, is a note and no failure: all is computed afresh then. A
// file that is no prompt cache is never replaced by one.
class PromptCache {
 public:
  explicit PromptCache(std::optional<std::string> path) : path_(std::move(path)) {}

  // Leaves in the session what it has in common with the beginning of `prompt`; the first time, where it is
  // empty, what the file has. Returns how many tokens that are; the rest is to be appended.
  int64_t restore(Session& session, const std::vector<Token>& prompt);

  // Writes the first `n_tokens` of the session, unless the file has them or they were not computed.
  void keep(Session& session, size_t n_tokens);

  // What went wrong since the last call, a line each.
  std::vector<std::string> take_notes() { return std::exchange(notes_, {}); }

 private:
  bool load(Session& session);  // whether the session is the file's now

  std::optional<std::string> path_;
  bool is_loaded_ = false;
  int64_t n_in_file_ = 0;  // tokens of the session that the file has as well
  std::vector<std::string> notes_;
};

}  // namespace flexinfer::cli
