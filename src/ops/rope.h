// Rotary position embedding (Su et al. 2021) and the ways to stretch it over longer contexts.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ops/compute.h"

namespace flexinfer {

// Which dimensions turn together: (2i, 2i + 1), as GGUF's llama family stores them, or (i, i + n_dims / 2),
// the way of GPT-NeoX and most others.
enum class RopePairs : uint8_t { kAdjacent, kHalves };

// YaRN (Peng et al. 2023): frequencies that turn less than beta_slow times within the original context are
// divided by `factor`, those that turn more than beta_fast times are kept, with a ramp between.
struct YarnScaling {
  double factor = 1.0;  // 1: not in use
  int64_t original_context_length = 0;
  double beta_fast = 32.0;
  double beta_slow = 1.0;
};

struct RopeParameters {
  int64_t n_dims = 0;  // leading dimensions of a head that are rotated, even
  double base = 10000.0;
  double linear_scale = 1.0;  // positions are divided by it (linear scaling)
  RopePairs pairs = RopePairs::kAdjacent;
  double magnitude = 1.0;  // queries and keys are multiplied by it (YaRN, longrope)
  YarnScaling yarn = {};
};

// Angles per position of pair i: position / linear_scale * base^(-2i / n_dims) / factors[i] (Llama 3.1's
// rope_freqs, longrope's; empty: all 1), after YaRN's scaling; computed in double.
std::vector<double> rope_frequencies(const RopeParameters& parameters, std::span<const float> factors);

// The magnitude that YaRN prescribes for contexts stretched by `factor`: 1 + 0.1 ln(factor).
double yarn_magnitude(double factor);

// Fills cosines.row(t) and sines.row(t), n_dims / 2 values each times `magnitude`, for the positions of a
// batch.
void rope_angles(const Compute& compute, std::span<const double> frequencies, double magnitude,
                 std::span<const int32_t> positions, const Rows& cosines, const Rows& sines);

// Rotates every head of every row in place; a row holds heads of head_dim values one after the other.
void apply_rope(const Compute& compute, RopePairs pairs, const Rows& cosines, const Rows& sines,
                int64_t n_pairs, int64_t head_dim, const Rows& heads);

}  // namespace flexinfer
