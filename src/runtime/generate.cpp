#include <algorithm>

#include "base/clock.h"
#include "runtime/sampler.h"
#include "runtime/session_impl.h"
#include "runtime/vocabulary_impl.h"
#include "text/utf8_stream.h"

namespace flexinfer {

Result<GenerateResult> Session::Impl::generate(
    const GenerateRequest& request, const std::function<void(const GenerateProgress&)>& on_progress,
    const std::function<void(double)>& on_prefill) {
  if (request.prompt.empty()) {
    return make_error(ErrorCode::kUsage, "the prompt is empty: give at least one token of text");
  }
  FLEX_CHECK(check_sampling(request.sampling));
  const Vocabulary& vocabulary = engine->vocabulary.front();
  const int64_t room =
      engine->plan.options.context_length - n_tokens() - static_cast<int64_t>(request.prompt.size());
  // The last token needs no place in the cache: nothing is computed from it.
  const int64_t limit = request.n_predict < 0 ? room + 1 : std::min(request.n_predict, room + 1);
  GenerateResult result;
  result.finish_reason = "length";
  Sampler sampler(request.sampling);
  for (Token token : tokens)
    sampler.accept(token);
  for (Token token : request.prompt)
    sampler.accept(token);
  FLEX_TRY(std::span<const float> logits, append(request.prompt, limit > 1, on_prefill));
  Utf8Stream characters;
  auto report = [&](Token token, std::string text) {
    result.text += text;
    if (on_progress) on_progress({text, token, current_stats()});
  };
  while (static_cast<int64_t>(result.tokens.size()) < limit) {
    const Token token = sampler.sample(logits);
    if (stats.first_token_seconds == 0) stats.first_token_seconds = seconds_since(engine->opened_ns);
    if (!request.ignore_eos && vocabulary.is_end_of_generation(token)) {
      result.finish_reason = "stop";
      break;
    }
    sampler.accept(token);
    result.tokens.push_back(token);
    report(token, characters.push(vocabulary.decode(token)));
    const auto left = limit - static_cast<int64_t>(result.tokens.size());
    if (left == 0) break;
    FLEX_TRY(logits, decode(token, left > 1));
  }
  if (std::string rest = characters.flush(); !rest.empty() && !result.tokens.empty()) {
    report(result.tokens.back(), std::move(rest));
  }
  return result;
}

}  // namespace flexinfer
