// What is done to one row of activations. The contracts are those of KernelTable's members
// (kernels/kernel_table.h).
#pragma once

#include "kernels/kernel_table.h"
#include "kernels/simd/exponential.h"
#include "kernels/simd/quantise.h"

namespace flexinfer::simd {

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

template <class Isa>
void softmax(float* x, int64_t n) {
  const auto lowest = Isa::broadcast(-__builtin_inff());
  auto greatest = lowest;
  for_each_vector<Isa>(n, [&](int64_t i, auto lanes) {
    greatest = Isa::max(greatest, Isa::fill_rest(Isa::load(x + i, lanes), lowest, lanes));
  });
  greatest = Isa::broadcast(Isa::greatest_lane(greatest));
  DoubleSum<Isa> sum;
  for_each_vector<Isa>(n, [&](int64_t i, auto lanes) {
    const auto power = exponential<Isa>(Isa::load(x + i, lanes) - greatest);
    Isa::store(x + i, power, lanes);
    sum.add(Isa::fill_rest(power, Isa::broadcast(0.0f), lanes));
  });
  const auto inverse = Isa::broadcast(static_cast<float>(1.0 / sum.total()));
  for_each_vector<Isa>(
      n, [&](int64_t i, auto lanes) { Isa::store(x + i, Isa::load(x + i, lanes) * inverse, lanes); });
}

template <class Isa>
void silu_multiply(const float* gate, const float* up, int64_t n, float* out) {
  for_each_vector<Isa>(n, [&](int64_t i, auto lanes) {
    const auto x = Isa::load(gate + i, lanes);
    const auto silu = x / (Isa::broadcast(1.0f) + exponential<Isa>(Isa::broadcast(0.0f) - x));
    Isa::store(out + i, silu * Isa::load(up + i, lanes), lanes);
  });
}

template <class Isa>
void add(const float* y, int64_t n, float* x) {
  for_each_vector<Isa>(n, [&](int64_t i, auto lanes) {
    Isa::store(x + i, Isa::load(x + i, lanes) + Isa::load(y + i, lanes), lanes);
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

}  // namespace flexinfer::simd
