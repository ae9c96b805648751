#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/result.h"
#include "flexinfer/tools.h"

namespace flexinfer {
namespace {

// -log of the softmax probability of one token.
double negative_log_likelihood(std::span<const float> logits, Token token) {
  const double most = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (float logit : logits)
    sum += std::exp(static_cast<double>(logit) - most);
  return most + std::log(sum) - static_cast<double>(logits[static_cast<size_t>(token)]);
}

}  // namespace

Result<PerplexityResult> measure_perplexity(Session& session, const Vocabulary& vocabulary,
                                            std::span<const Token> text, int64_t window,
                                            const std::function<void(int64_t, int64_t)>& on_window) {
  if (window < 2) return make_error(ErrorCode::kUsage, "a window has at least 2 tokens");
  PerplexityResult result;
  result.n_tokens = static_cast<int64_t>(text.size());
  result.n_windows = result.n_tokens / window;
  if (result.n_windows == 0) {
    return make_error(ErrorCode::kUsage, fmt::format("the text has {} tokens, fewer than one window of {}",
                                                     text.size(), window));
  }
  double total = 0;
  int64_t n_scored = 0;
  for (int64_t w = 0; w < result.n_windows; ++w) {
    const auto begin = text.begin() + w * window;
    std::vector<Token> tokens(begin, begin + window);
    if (vocabulary.adds_bos() && vocabulary.bos() >= 0) tokens[0] = vocabulary.bos();
    session.clear();
    auto score = [&](size_t index, std::span<const float> logits) -> Status {
      // The logits after token `index` foretell token index + 1.
      const auto next = static_cast<int64_t>(index) + 1;
      if (next <= window / 2 || next >= window) return {};
      total += negative_log_likelihood(logits, tokens[static_cast<size_t>(next)]);
      ++n_scored;
      return {};
    };
    FLEX_CHECK(session.append_with_logits(tokens, score));
    if (on_window) on_window(w + 1, result.n_windows);
  }
  result.perplexity = std::exp(total / static_cast<double>(n_scored));
  return result;
}

}  // namespace flexinfer
