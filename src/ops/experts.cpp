#include "ops/experts.h"

#include <algorithm>
#include <numeric>

namespace flexinfer {
namespace {

// The best expert that is not among the chosen, which ascend. Scores may be anything, NaN included.
int32_t best_of_the_rest(std::span<const float> scores, std::span<const int32_t> chosen) {
  int32_t best = -1;
  for (int32_t expert = 0; expert < static_cast<int32_t>(scores.size()); ++expert) {
    if (std::binary_search(chosen.begin(), chosen.end(), expert)) continue;
    if (best < 0 || scores[static_cast<size_t>(expert)] > scores[static_cast<size_t>(best)]) best = expert;
  }
  return best;
}

void choose_for_token(const KernelTable& kernels, const Routing& routing, std::span<float> scores,
                      std::span<int32_t> experts, std::span<float> weights) {
  for (size_t n = 0; n < experts.size(); ++n) {
    const int32_t best = best_of_the_rest(scores, experts.first(n));
    const auto place =
        std::upper_bound(experts.begin(), experts.begin() + static_cast<std::ptrdiff_t>(n), best);
    std::copy_backward(place, experts.begin() + static_cast<std::ptrdiff_t>(n),
                       experts.begin() + static_cast<std::ptrdiff_t>(n) + 1);
    *place = best;
  }
  kernels.softmax(scores.data(), static_cast<int64_t>(scores.size()));
  for (size_t n = 0; n < experts.size(); ++n)
    weights[n] = scores[static_cast<size_t>(experts[n])];
  if (!routing.normalised) return;
  const float sum = std::accumulate(weights.begin(), weights.end(), 0.0F);
  for (float& weight : weights)
    weight /= sum;
}

}  // namespace

void choose_experts(const Compute& compute, const Routing& routing, const Rows& scores,
                    const ExpertChoices& choices) {
  const auto n_used = static_cast<size_t>(routing.n_used);
  compute.split(scores.n_rows, scores.cols, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const size_t first = static_cast<size_t>(t) * n_used;
      choose_for_token(compute.kernels, routing, {scores.row(t), static_cast<size_t>(scores.cols)},
                       choices.experts.subspan(first, n_used), choices.weights.subspan(first, n_used));
    }
  });
}

void gather_rows(const Compute& compute, const Rows& rows, std::span<const int32_t> tokens, const Rows& out) {
  compute.split(out.n_rows, out.cols, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      std::copy_n(rows.row(tokens[static_cast<size_t>(i)]), rows.cols, out.row(i));
  });
}

void add_weighted_rows(const Compute& compute, const Rows& addend, std::span<const int32_t> tokens,
                       std::span<const float> weights, const Rows& rows) {
  compute.split(addend.n_rows, addend.cols, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const float* in = addend.row(i);
      const float weight = weights[static_cast<size_t>(i)];
      float* out = rows.row(tokens[static_cast<size_t>(i)]);
      for (int64_t c = 0; c < addend.cols; ++c)
        out[c] += weight * in[c];
    }
  });
}

}  // namespace flexinfer
