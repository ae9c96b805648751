// 32 floats to 8-bit integers: the step that activations and the q8_0 cache share.
#pragma once

#include "kernels/simd/float_vector.h"
#include "quant/q8_activations.h"

namespace flexinfer::simd {

template <class Isa>
struct QuantisedBlock {
  float scale;                                               // max|x| / 127; NaN where an element is NaN
  typename Isa::Int quants[kActivationBlock / Isa::kLanes];  // round(x / scale), ties away from zero
};

// To the nearest integer, ties away from zero; NaN (infinity times zero) becomes -127.
template <class Isa>
[[gnu::always_inline]] inline typename Isa::Int round_away(typename Isa::Float value) {
  value = Isa::max(value, Isa::broadcast(-127.0f));  // in this order: the second operand is what a NaN yields
  return Isa::truncate(value + Isa::copy_sign(Isa::broadcast(0x1.fffffep-2f), value));
}

template <class Isa>
[[gnu::always_inline]] inline QuantisedBlock<Isa> quantise_block(const float* in) {
  constexpr int kVectors = kActivationBlock / Isa::kLanes;
  typename Isa::Float x[kVectors];
  for (int i = 0; i < kVectors; i++)
    x[i] = Isa::load(in + i * Isa::kLanes, AllLanes{});
  QuantisedBlock<Isa> block;
  block.scale = Isa::greatest_magnitude(x) / 127.0f;
  const auto inverse = Isa::broadcast(block.scale >= __FLT_MIN__ ? 1.0f / block.scale : 0.0f);
  for (int i = 0; i < kVectors; i++)
    block.quants[i] = round_away<Isa>(x[i] * inverse);
  return block;
}

}  // namespace flexinfer::simd
