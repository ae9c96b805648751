#include "runtime/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace flexinfer {
namespace {

constexpr size_t kPenaltyWindow = 64;
constexpr float kNever = -INFINITY;

tl::unexpected<Error> out_of_range(std::string_view option, float value, std::string_view range) {
  return make_error(ErrorCode::kUsage, fmt::format("{} is {}, expected {}", option, value, range));
}

}  // namespace

// Written so that a NaN fails every one of them.
Status check_sampling(const SamplingOptions& options) {
  if (!(options.temperature >= 0)) return out_of_range("temperature", options.temperature, "0 or more");
  if (!(options.top_p >= 0 && options.top_p <= 1)) return out_of_range("top-p", options.top_p, "0 to 1");
  if (!(options.min_p >= 0 && options.min_p <= 1)) return out_of_range("min-p", options.min_p, "0 to 1");
  if (!(options.repeat_penalty > 0 && std::isfinite(options.repeat_penalty))) {
    return out_of_range("repeat penalty", options.repeat_penalty, "a number above 0");
  }
  return {};
}

Sampler::Sampler(const SamplingOptions& options) : options_(options), state_(options.seed) {}

void Sampler::accept(Token token) {
  recent_.push_back(token);
  if (recent_.size() > kPenaltyWindow) recent_.pop_front();
}

Token Sampler::sample(std::span<const float> logits) {
  candidates_.clear();
  candidates_.reserve(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) {
    candidates_.push_back({std::isnan(logits[i]) ? kNever : logits[i], static_cast<Token>(i)});
  }
  if (options_.repeat_penalty != 1.0F) penalise_repeats();
  if (options_.temperature <= 0) return most_likely();
  keep_top_k();
  keep_top_p_and_min_p();
  return draw();
}

Token Sampler::most_likely() const {
  const auto best =
      std::max_element(candidates_.begin(), candidates_.end(),
                       [](const Candidate& a, const Candidate& b) { return a.logit < b.logit; });
  return best->token;
}

// Keskar et al. 2019: a seen token's logit moves towards unlikely.
void Sampler::penalise_repeats() {
  std::vector<Token> seen(recent_.begin(), recent_.end());
  std::sort(seen.begin(), seen.end());
  seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
  for (Token token : seen) {
    if (token < 0 || static_cast<size_t>(token) >= candidates_.size()) continue;
    float& logit = candidates_[static_cast<size_t>(token)].logit;
    logit = logit > 0 ? logit / options_.repeat_penalty : logit * options_.repeat_penalty;
  }
}

// Leaves the candidates sorted, the likeliest first; ties by token id.
void Sampler::keep_top_k() {
  const size_t k = options_.top_k > 0
                       ? std::min<size_t>(static_cast<size_t>(options_.top_k), candidates_.size())
                       : candidates_.size();
  std::partial_sort(candidates_.begin(), candidates_.begin() + static_cast<std::ptrdiff_t>(k),
                    candidates_.end(), [](const Candidate& a, const Candidate& b) {
                      return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
                    });
  candidates_.resize(k);
}

// Top-p (Holtzman et al. 2020) keeps the likeliest tokens that together reach p; min-p those at least as
// likely as min_p times the best.
void Sampler::keep_top_p_and_min_p() {
  weights_.clear();
  weights_.reserve(candidates_.size());
  double sum = 0;
  for (const Candidate& candidate : candidates_) {
    weights_.push_back(
        std::exp(static_cast<double>(candidate.logit) - static_cast<double>(candidates_[0].logit)));
    sum += weights_.back();
  }
  size_t kept = candidates_.size();
  if (options_.top_p < 1.0F) {
    double reached = 0;
    for (kept = 0; kept < weights_.size() && (kept == 0 || reached < options_.top_p * sum); ++kept) {
      reached += weights_[kept];
    }
  }
  while (kept > 1 && weights_[kept - 1] < options_.min_p)
    --kept;
  candidates_.resize(kept);
}

Token Sampler::draw() {
  weights_.clear();
  double sum = 0;
  const double best = candidates_[0].logit;
  for (const Candidate& candidate : candidates_) {
    const double weight = std::exp((static_cast<double>(candidate.logit) - best) / options_.temperature);
    weights_.push_back(std::isnan(weight) ? 0 : weight);
    sum += weights_.back();
  }
  double left = next_uniform() * sum;
  for (size_t i = 0; i < candidates_.size(); ++i) {
    left -= weights_[i];
    if (left < 0) return candidates_[i].token;
  }
  return candidates_[0].token;
}

// SplitMix64 (Steele, Lea and Flood 2014), 53 bits of it.
double Sampler::next_uniform() {
  state_ += 0x9E3779B97F4A7C15U;
  uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
  z ^= z >> 31;
  return static_cast<double>(z >> 11) * 0x1p-53;
}

}  // namespace flexinfer
