// What is done to one row of activations. The contracts are those of KernelTable's members
// (kernels/kernel_table.h).
#pragma once

#include "kernels/kernel_table.h"
#include "kernels/simd/exponential.h"
#include "kernels/simd/quantise.h"

namespace flexinfer::simd {

inline constexpr float kGeluScale = 0.797884561f;  // sqrt(2 / pi)
inline constexpr float kGeluCubic = 0.044715f;

template <class Isa>
void quantise_row(const float* in, int64_t cols, Q8Row out) {
  constexpr int kSumVectors = kActivationSumBlock / Isa::kLanes;
  for (int64_t col = 0; col < cols; col += kActivationBlock) {
    const QuantisedBlock<Isa> block = quantise_block<Isa>(in + col);
    int16_t* sums = out.sums + col / kActivationSumBlock;
    out.scales[col / kActivationBlock] = block.scale;
    sums[0] = static_cast<int16_t>(Isa::sum_of_sixteen(block.quants));
    sums[1] = static_cast<int16_t>(Isa::sum_of_sixteen(block.quants + kSumVectors));
    Isa::store_bytes(block.quants, out.values + col);
  }
}

template <class Isa>
void rms_norm(const float* in, const float* weight, int64_t n, float epsilon, float* out) {
  DoubleSum<Isa> squares;
  for_each_vector<Isa>(n, [&](int64_t i, auto lanes) { squares.add_squares(Isa::load(in + i, lanes)); });
  const double mean = squares.total() / static_cast<double>(n);
  const auto scale = Isa::broadcast(static_cast<float>(1.0 / __builtin_sqrt(mean + epsilon)));
  for_each_vector<Isa>(n, [&](int64_t i, auto lanes) {
    Isa::store(out + i, Isa::load(in + i, lanes) * scale * Isa::load(weight + i, lanes), lanes);
  });
}

// In place: exp(x - max); the sum is left in double.
template <class Isa>
double exponentials(float* x, int64_t n, float& greatest_of_all) {
  const auto lowest = Isa::broadcast(-__builtin_inff());
  auto greatest = lowest;
  for_each_vector<Isa>(n, [&](int64_t i, auto lanes) {
    greatest = Isa::max(greatest, Isa::fill_rest(Isa::load(x + i, lanes), lowest, lanes));
  });
  greatest_of_all = Isa::greatest_lane(greatest);
  greatest = Isa::broadcast(greatest_of_all);
  DoubleSum<Isa> sum;
  for_each_vector<Isa>(n, [&](int64_t i, auto lanes) {
    const auto power = exponential<Isa>(Isa::load(x + i, lanes) - greatest);
    Isa::store(x + i, power, lanes);
    sum.add(Isa::fill_rest(power, Isa::broadcast(0.0f), lanes));
  });
  return sum.total();
}

template <class Isa>
void scale(float factor, int64_t n, float* x) {
  const auto factors = Isa::broadcast(factor);
  for_each_vector<Isa>(
      n, [&](int64_t i, auto lanes) { Isa::store(x + i, Isa::load(x + i, lanes) * factors, lanes); });
}

template <class Isa>
void softmax(float* x, int64_t n) {
  float greatest;
  const double sum = exponentials<Isa>(x, n, greatest);
  scale<Isa>(static_cast<float>(1.0 / sum), n, x);
}

template <class Isa>
SoftmaxSum softmax_weights(float* x, int64_t n) {
  SoftmaxSum result;
  result.sum = static_cast<float>(exponentials<Isa>(x, n, result.greatest));
  return result;
}

// x / (1 + exp(-y))
template <class Isa>
[[gnu::always_inline]] inline typename Isa::Float by_sigmoid(typename Isa::Float x, typename Isa::Float y) {
  return x / (Isa::broadcast(1.0f) + exponential<Isa>(Isa::broadcast(0.0f) - y));
}

template <class Isa>
void silu_multiply(const float* gate, const float* up, int64_t n, float* out) {
  for_each_vector<Isa>(n, [&](int64_t i, auto lanes) {
    const auto x = Isa::load(gate + i, lanes);
    Isa::store(out + i, by_sigmoid<Isa>(x, x) * Isa::load(up + i, lanes), lanes);
  });
}

// (1 + tanh(y)) / 2 is the sigmoid of 2 y.
template <class Isa>
void gelu_multiply(const float* gate, const float* up, int64_t n, float* out) {
  for_each_vector<Isa>(n, [&](int64_t i, auto lanes) {
    const auto x = Isa::load(gate + i, lanes);
    const auto inner = Isa::multiply_add(x * x * x, Isa::broadcast(kGeluCubic), x);
    const auto gelu = by_sigmoid<Isa>(x, inner * Isa::broadcast(2.0f * kGeluScale));
    Isa::store(out + i, gelu * Isa::load(up + i, lanes), lanes);
  });
}

template <class Isa>
void swiglu_clamped(const float* gate, const float* up, int64_t n, float alpha, float limit, float* out) {
  const auto most = Isa::broadcast(limit);
  const auto least = Isa::broadcast(-limit);
  for_each_vector<Isa>(n, [&](int64_t i, auto lanes) {
    const auto g = Isa::min(most, Isa::load(gate + i, lanes));  // the second operand is what a NaN yields
    const auto u = Isa::max(least, Isa::min(most, Isa::load(up + i, lanes)));
    const auto activated = by_sigmoid<Isa>(g, g * Isa::broadcast(alpha));
    Isa::store(out + i, activated * (u + Isa::broadcast(1.0f)), lanes);
  });
}

template <class Isa>
void add(const float* y, int64_t n, float* x) {
  for_each_vector<Isa>(n, [&](int64_t i, auto lanes) {
    Isa::store(x + i, Isa::load(x + i, lanes) + Isa::load(y + i, lanes), lanes);
  });
}

template <class Isa>
void blend(float factor, const float* y, float y_factor, int64_t n, float* x) {
  for_each_vector<Isa>(n, [&](int64_t i, auto lanes) {
    const auto kept = Isa::load(x + i, lanes) * Isa::broadcast(factor);
    Isa::store(x + i, Isa::multiply_add(Isa::load(y + i, lanes), Isa::broadcast(y_factor), kept), lanes);
  });
}

template <class Isa>
void soft_cap(float factor, float cap, int64_t n, float* x) {
  const auto inner = Isa::broadcast(factor / cap);
  for_each_vector<Isa>(n, [&](int64_t i, auto lanes) {
    const auto capped = tangent<Isa>(Isa::load(x + i, lanes) * inner) * Isa::broadcast(cap);
    Isa::store(x + i, capped, lanes);
  });
}

template <class Isa>
void rope_adjacent(float* x, const float* cosines, const float* sines, int64_t n_pairs) {
  using FirstLanes = typename Isa::FirstLanes;
  constexpr int64_t kPairs = Isa::kLanes / 2;
  for (int64_t i = 0; i < n_pairs; i += kPairs) {
    const int64_t n = n_pairs - i < kPairs ? n_pairs - i : kPairs;
    const auto cosine = Isa::load(cosines + i, FirstLanes(n));
    const auto sine = Isa::load(sines + i, FirstLanes(n));
    const auto pairs = Isa::load(x + 2 * i, FirstLanes(2 * n));
    Isa::store(x + 2 * i, Isa::rotate_pairs(pairs, cosine, sine), FirstLanes(2 * n));
  }
}

template <class Isa>
void rope_halves(float* x, const float* cosines, const float* sines, int64_t n_pairs) {
  for_each_vector<Isa>(n_pairs, [&](int64_t i, auto lanes) {
    const auto a = Isa::load(x + i, lanes);
    const auto b = Isa::load(x + n_pairs + i, lanes);
    const auto cosine = Isa::load(cosines + i, lanes);
    const auto sine = Isa::load(sines + i, lanes);
    Isa::store(x + i, Isa::multiply_add(a, cosine, Isa::broadcast(0.0f) - b * sine), lanes);
    Isa::store(x + n_pairs + i, Isa::multiply_add(b, cosine, a * sine), lanes);
  });
}

}  // namespace flexinfer::simd
