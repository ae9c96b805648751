#include "ops/rope.h"

#include <cmath>

namespace flexinfer {

std::vector<double> rope_frequencies(const RopeParameters& parameters, std::span<const float> factors) {
  std::vector<double> frequencies;
  for (int64_t i = 0; i < parameters.n_dims / 2; ++i) {
    const double exponent = -2.0 * static_cast<double>(i) / static_cast<double>(parameters.n_dims);
    const double factor = factors.empty() ? 1.0 : static_cast<double>(factors[static_cast<size_t>(i)]);
    frequencies.push_back(std::pow(parameters.base, exponent) / factor / parameters.linear_scale);
  }
  return frequencies;
}

void rope_angles(const Compute& compute, std::span<const double> frequencies,
                 std::span<const int32_t> positions, const Rows& cosines, const Rows& sines) {
  compute.split(static_cast<int64_t>(positions.size()), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      for (size_t i = 0; i < frequencies.size(); ++i) {
        const double angle = positions[static_cast<size_t>(t)] * frequencies[i];
        cosines.row(t)[i] = static_cast<float>(std::cos(angle));
        sines.row(t)[i] = static_cast<float>(std::sin(angle));
      }
    }
  });
}

void apply_rope(const Compute& compute, const Rows& cosines, const Rows& sines, int64_t n_pairs,
                int64_t head_dim, const Rows& heads) {
  compute.split(heads.n_rows, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      for (int64_t offset = 0; offset < heads.cols; offset += head_dim) {
        compute.kernels.rope_adjacent(heads.row(t) + offset, cosines.row(t), sines.row(t), n_pairs);
      }
    }
  });
}

}  // namespace flexinfer
