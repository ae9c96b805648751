// Rotary position embedding (Su et al. 2021), on adjacent pairs as GGUF's llama family stores them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ops/compute.h"

namespace flexinfer {

struct RopeParameters {
  int64_t n_dims = 0;  // leading dimensions of a head that are rotated, even
  double base = 10000.0;
  double linear_scale = 1.0;  // positions are divided by it (linear scaling)
};

// Angles per position of pair i: position / linear_scale * base^(-2i / n_dims) / factors[i] (Llama 3.1's
// rope_freqs; empty: all 1), computed in double.
std::vector<double> rope_frequencies(const RopeParameters& parameters, std::span<const float> factors);

// Fills cosines.row(t) and sines.row(t), n_dims / 2 values each, for the positions of a batch.
void rope_angles(const Compute& compute, std::span<const double> frequencies,
                 std::span<const int32_t> positions, const Rows& cosines, const Rows& sines);

// Rotates every head of every row in place; a row holds heads of head_dim values one after the other.
void apply_rope(const Compute& compute, const Rows& cosines, const Rows& sines, int64_t n_pairs,
                int64_t head_dim, const Rows& heads);

}  // namespace flexinfer
