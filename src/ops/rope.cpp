#include "ops/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace flexinfer {
namespace {

constexpr int64_t kElementsPerAngle = 128;  // a sine and a cosine in double take as long as so many elements

// The pair, as a real number, that turns `turns` times within the original context.
double pair_of_turns(const RopeParameters& parameters, double turns) {
  const auto context = static_cast<double>(parameters.yarn.original_context_length);
  return static_cast<double>(parameters.n_dims) * std::log(context / (turns * 2.0 * std::numbers::pi)) /
         (2.0 * std::log(parameters.base));
}

// The share of pair i's frequency that YaRN keeps as it is; the rest is divided by the factor.
class YarnRamp {
 public:
  explicit YarnRamp(const RopeParameters& parameters)
      : low_(std::max(0.0, std::floor(pair_of_turns(parameters, parameters.yarn.beta_fast)))),
        high_(std::min(static_cast<double>(parameters.n_dims - 1),
                       std::ceil(pair_of_turns(parameters, parameters.yarn.beta_slow)))) {}
  double kept(int64_t pair) const {
    const double place = (static_cast<double>(pair) - low_) / std::max(kLeastWidth, high_ - low_);
    return 1.0 - std::clamp(place, 0.0, 1.0);
  }

 private:
  static constexpr double kLeastWidth = 0.001;  // of a ramp, so that nothing is divided by 0
  double low_;
  double high_;
};

}  // namespace

double yarn_magnitude(double factor) {
  return 1.0 + 0.1 * std::log(factor);
}

std::vector<double> rope_frequencies(const RopeParameters& parameters, std::span<const float> factors) {
  std::vector<double> frequencies;
  const bool stretched = parameters.yarn.factor != 1.0;
  for (int64_t i = 0; i < parameters.n_dims / 2; ++i) {
    const double exponent = -2.0 * static_cast<double>(i) / static_cast<double>(parameters.n_dims);
    const double factor = factors.empty() ? 1.0 : static_cast<double>(factors[static_cast<size_t>(i)]);
    const double frequency = std::pow(parameters.base, exponent) / factor / parameters.linear_scale;
    const double kept = stretched ? YarnRamp(parameters).kept(i) : 1.0;
    frequencies.push_back(frequency * (kept + (1.0 - kept) / parameters.yarn.factor));
  }
  return frequencies;
}

void rope_angles(const Compute& compute, std::span<const double> frequencies, double magnitude,
                 std::span<const int32_t> positions, const Rows& cosines, const Rows& sines) {
  const auto elements = kElementsPerAngle * static_cast<int64_t>(frequencies.size());
  compute.split(static_cast<int64_t>(positions.size()), elements, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      for (size_t i = 0; i < frequencies.size(); ++i) {
        const double angle = positions[static_cast<size_t>(t)] * frequencies[i];
        cosines.row(t)[i] = static_cast<float>(magnitude * std::cos(angle));
        sines.row(t)[i] = static_cast<float>(magnitude * std::sin(angle));
      }
    }
  });
}

void apply_rope(const Compute& compute, RopePairs pairs, const Rows& cosines, const Rows& sines,
                int64_t n_pairs, int64_t head_dim, const Rows& heads) {
  const auto rotate =
      pairs == RopePairs::kAdjacent ? compute.kernels.rope_adjacent : compute.kernels.rope_halves;
  compute.split(heads.n_rows, heads.cols, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      for (int64_t offset = 0; offset < heads.cols; offset += head_dim)
        rotate(heads.row(t) + offset, cosines.row(t), sines.row(t), n_pairs);
    }
  });
}

}  // namespace flexinfer
