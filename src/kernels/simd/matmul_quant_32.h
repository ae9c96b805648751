// How blocks of 32 weights unpack into one group of a panel. Layouts: quant/blocks.h.
#pragma once

#include <cstddef>

#include "kernels/simd/matmul_quant_panel.h"
#include "quant/blocks.h"

namespace flexinfer::simd {

inline constexpr uint32_t kLowNibbles = 0x0f0f0f0f;

// The halves in the low and in the high 16 bits of each lane.
template <class Isa>
[[gnu::always_inline]] inline typename Isa::Float low_half(typename Isa::Word words) {
  return Isa::half_to_float(__builtin_convertvector(words, typename Isa::Halves));
}
template <class Isa>
[[gnu::always_inline]] inline typename Isa::Float high_half(typename Isa::Word words) {
  return low_half<Isa>(words >> 16);
}

// 16 bytes at `offset`: the low nibbles are the first 16 weights.
template <class Format, class Rows>
[[gnu::always_inline]] inline void unpack_nibbles(const Rows& rows, size_t offset,
                                                  PanelGroup<Format>* group) {
  typename Format::Isa::Word columns[4];
  rows.load_columns(offset, columns);
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    group->weights[i] = columns[i] & kLowNibbles;
    group->weights[i + 4] = (columns[i] >> 4) & kLowNibbles;
  }
}

// Bit i of `bits` is the fifth bit of weight i. The product places each of four bits four times, seven apart,
// so that none meets another and bit b lies in byte b, in the place of its fifth bit.
template <class Format>
[[gnu::always_inline]] inline void add_fifth_bits(typename Format::Isa::Word bits,
                                                  PanelGroup<Format>* group) {
#pragma GCC unroll 8
  for (int i = 0; i < kGroupWords; i++)
    group->weights[i] |= (((bits >> (4 * i)) & 15) * 0x02040810) & 0x10101010;
}

// value = d * q + m
template <class Format, class Rows>
[[gnu::always_inline]] inline void unpack_scale_and_offset(const Rows& rows, size_t offset,
                                                           PanelGroup<Format>* group) {
  using Isa = typename Format::Isa;
  const auto d_and_m = rows.load_words(offset);
  group->scales[0] = low_half<Isa>(d_and_m);
  group->minimums[0] = high_half<Isa>(d_and_m);
}

template <class Isa>
struct Q4_0 : Format<Isa, BlockQ4_0, Encoding{.max_byte = 15, .offset = 8}> {
  template <class Rows>
  [[gnu::always_inline]] static void unpack(const Rows& rows, NoHeader, int, PanelGroup<Q4_0>* group) {
    unpack_nibbles(rows, offsetof(BlockQ4_0, qs), group);
    group->scales[0] = rows.load_first_halves(offsetof(BlockQ4_0, d));
  }
};

template <class Isa>
struct Q4_1 : Format<Isa, BlockQ4_1, Encoding{.max_byte = 15, .has_minimums = true}> {
  template <class Rows>
  [[gnu::always_inline]] static void unpack(const Rows& rows, NoHeader, int, PanelGroup<Q4_1>* group) {
    unpack_nibbles(rows, offsetof(BlockQ4_1, qs), group);
    unpack_scale_and_offset(rows, offsetof(BlockQ4_1, d), group);
  }
};

template <class Isa>
struct Q5_0 : Format<Isa, BlockQ5_0, Encoding{.max_byte = 31, .offset = 16}> {
  template <class Rows>
  [[gnu::always_inline]] static void unpack(const Rows& rows, NoHeader, int, PanelGroup<Q5_0>* group) {
    unpack_nibbles(rows, offsetof(BlockQ5_0, qs), group);
    add_fifth_bits(rows.load_words(offsetof(BlockQ5_0, qh)), group);
    group->scales[0] = rows.load_first_halves(offsetof(BlockQ5_0, d));
  }
};

template <class Isa>
struct Q5_1 : Format<Isa, BlockQ5_1, Encoding{.max_byte = 31, .has_minimums = true}> {
  template <class Rows>
  [[gnu::always_inline]] static void unpack(const Rows& rows, NoHeader, int, PanelGroup<Q5_1>* group) {
    unpack_nibbles(rows, offsetof(BlockQ5_1, qs), group);
    add_fifth_bits(rows.load_words(offsetof(BlockQ5_1, qh)), group);
    unpack_scale_and_offset(rows, offsetof(BlockQ5_1, d), group);
  }
};

template <class Isa>
struct Q8_0
    : Format<Isa, BlockQ8_0, Encoding{.max_byte = 255, .offset = Isa::kSignedBias, .is_signed = true}> {
  template <class Rows>
  [[gnu::always_inline]] static void unpack(const Rows& rows, NoHeader, int, PanelGroup<Q8_0>* group) {
    static_assert(Isa::kSignedBias == 0 || Isa::kSignedBias == 128);
    constexpr uint32_t kBiases = Isa::kSignedBias * 0x01010101u;  // 128 is added by flipping the top bit
    rows.load_eight_columns(offsetof(BlockQ8_0, qs), group->weights);
#pragma GCC unroll 8
    for (int i = 0; i < kGroupWords; i++)
      group->weights[i] ^= kBiases;
    group->scales[0] = rows.load_first_halves(offsetof(BlockQ8_0, d));
  }
};

}  // namespace flexinfer::simd
