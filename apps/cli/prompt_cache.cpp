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

bool PromptCache::load(Session& session) {
  std::error_code ignored;
  if (std::exchange(is_loaded_, true) || session.n_tokens() > 0) return false;
  if (!path_ || !std::filesystem::exists(*path_, ignored)) return false;
  const Status loaded = session.load(*path_);
  if (loaded) return true;
  notes_.push_back(fmt::format("the prompt cache is not used, all is computed: {}", loaded.error().message));
  if (loaded.error().code == ErrorCode::kUsage) path_.reset();
  return false;
}

int64_t PromptCache::restore(Session& session, const std::vector<Token>& prompt) {
  const bool is_from_file = load(session);
  const int64_t n_reused = session.reuse(prompt);
  n_in_file_ = is_from_file ? n_reused : std::min(n_in_file_, n_reused);
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
