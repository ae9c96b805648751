#include "prompt_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "options.h"

namespace flexinfer::cli {

void add_prompt_cache(CLI::App& app, std::optional<std::string>& path) {
  app.add_option(
         "--prompt-cache", path,
         "a file that keeps what was computed of the prompt; a prompt that begins like the one in it goes on "
         "from there")
      ->type_name("FILE")
      ->group(kTextGroup);
}

void PromptCache::load(Session& session) {
  is_loaded_ = true;
  std::error_code ignored;
  if (!path_ || !std::filesystem::exists(*path_, ignored)) return;
  if (const Status loaded = session.load(*path_); !loaded) {
    notes_.push_back(
        fmt::format("the prompt cache is not used, all is computed: {}", loaded.error().message));
    if (loaded.error().code == ErrorCode::kUsage) path_.reset();
  }
}

int64_t PromptCache::restore(Session& session, const std::vector<Token>& prompt) {
  const bool is_first = !is_loaded_;
  if (is_first) load(session);
  const int64_t n_reused = session.reuse(prompt);
  n_in_file_ = is_first ? n_reused : std::min(n_in_file_, n_reused);
  return n_reused;
}

void PromptCache::keep(Session& session, size_t n_tokens) {
  // The last token of a prompt is computed in any case, for what follows it.
  const auto n = static_cast<int64_t>(n_tokens);
  if (!path_ || session.n_tokens() < n || n_in_file_ >= n - 1) return;
  if (const Status saved = session.save(*path_, n); !saved) {
    notes_.push_back(fmt::format("the prompt cache is not written: {}", saved.error().message));
  }
}

}  // namespace flexinfer::cli
