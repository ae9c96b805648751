// How super-blocks of 256 weights unpack into the eight groups of a panel. Layouts: quant/blocks.h.
#pragma once

#include <cstddef>

#include "kernels/simd/matmul_quant_32.h"

namespace flexinfer::simd {

inline constexpr int kSuperBlockGroups = kSuperBlock / kGroup;
inline constexpr uint32_t kLowPairs = 0x03030303;

// The bits of `mask` of each lane, from bit `shift` upwards, as a number less `bias`.
template <class Isa>
[[gnu::always_inline]] inline typename Isa::Float field(typename Isa::Word words, int shift, uint32_t mask,
                                                        int bias = 0) {
  const auto numbers = reinterpret_cast<typename Isa::Int>((words >> shift) & mask) - bias;
  return __builtin_convertvector(numbers, typename Isa::Float);
}

// What a weight has above the bits it is unpacked from: nothing, or n_bits bits that stand at `place` in the
// weight. 32 bytes hold them: weight i of group g has those of byte i from bit n_bits * g upwards.
struct NoUpperBits {
  uint32_t of(int, int) const { return 0; }
};

template <class Isa, int n_bits, int place>
class UpperBits {
 public:
  [[gnu::always_inline]] UpperBits(const PanelRows<Isa>& rows, size_t offset) {
    rows.load_eight_columns(offset, words_);
  }
  // Those of the weights in word i of a group.
  [[gnu::always_inline]] typename Isa::Word of(int group, int i) const {
    constexpr uint32_t kMask = ((1u << n_bits) - 1) * 0x01010101u;
    return ((words_[i] >> (n_bits * group)) & kMask) << place;
  }

 private:
  typename Isa::Word words_[kGroupWords];
};

// 32 bytes: the low nibbles are group `low`, the high ones group `high`.
template <class Format, class Isa, class Upper>
[[gnu::always_inline]] inline void unpack_two_groups(const PanelRows<Isa>& rows, size_t offset,
                                                     const Upper& upper, int low, int high,
                                                     PanelGroup<Format>* groups) {
  typename Isa::Word columns[kGroupWords];
  rows.load_eight_columns(offset, columns);
#pragma GCC unroll 8
  for (int i = 0; i < kGroupWords; i++) {
    groups[low].weights[i] = (columns[i] & kLowNibbles) | upper.of(low, i);
    groups[high].weights[i] = ((columns[i] >> 4) & kLowNibbles) | upper.of(high, i);
  }
}

// 32 bytes: the pairs of bits, from the low ones upwards, are four groups from `first` on.
template <class Format, class Isa, class Upper>
[[gnu::always_inline]] inline void unpack_four_groups(const PanelRows<Isa>& rows, size_t offset,
                                                      const Upper& upper, int first,
                                                      PanelGroup<Format>* groups) {
  typename Isa::Word columns[kGroupWords];
  rows.load_eight_columns(offset, columns);
#pragma GCC unroll 8
  for (int i = 0; i < kGroupWords; i++) {
#pragma GCC unroll 4
    for (int g = 0; g < 4; g++)
      groups[first + g].weights[i] = ((columns[i] >> (2 * g)) & kLowPairs) | upper.of(first + g, i);
  }
}

// 128 bytes: the nibbles of each 32 are two groups.
template <class Format, class Isa, class Upper>
[[gnu::always_inline]] inline void unpack_nibble_groups(const PanelRows<Isa>& rows, size_t offset,
                                                        const Upper& upper, PanelGroup<Format>* groups) {
#pragma GCC unroll 4
  for (int g = 0; g < kSuperBlockGroups; g += 2)
    unpack_two_groups(rows, offset + 16 * static_cast<size_t>(g), upper, g, g + 1, groups);
}

// The 16 bytes that Q4_K and Q5_K begin with: d, dmin, and eight pairs of 6-bit numbers. The low six bits of
// bytes 0 to 3 and 4 to 7 are the first four scales and minimums. The others have their low four bits in the
// nibbles of bytes 8 to 11 and their upper two in what is left of the bytes before.
template <class Format, class Isa>
[[gnu::always_inline]] inline void unpack_scales_and_minimums(const PanelRows<Isa>& rows,
                                                              PanelGroup<Format>* groups) {
  using Word = typename Isa::Word;
  Word header[4];
  rows.load_columns(0, header);
  const auto d = low_half<Isa>(header[0]);
  const auto dmin = high_half<Isa>(header[0]);
  const Word scales[2] = {header[1] & 0x3f3f3f3f,
                          (header[3] & kLowNibbles) | ((header[1] >> 2) & 0x30303030)};
  const Word minimums[2] = {header[2] & 0x3f3f3f3f,
                            ((header[3] >> 4) & kLowNibbles) | ((header[2] >> 2) & 0x30303030)};
#pragma GCC unroll 8
  for (int g = 0; g < kSuperBlockGroups; g++) {
    groups[g].scales[0] = d * field<Isa>(scales[g / 4], g % 4 * 8, 255);
    groups[g].minimums[0] = dmin * field<Isa>(minimums[g / 4], g % 4 * 8, 255);
  }
}

template <class Isa>
struct Q2_K : Format<Isa, BlockQ2_K, Encoding{.max_byte = 3, .has_minimums = true}> {
  static void unpack(const PanelRows<Isa>& rows, PanelGroup<Q2_K>* groups) {
    unpack_four_groups(rows, offsetof(BlockQ2_K, qs), NoUpperBits{}, 0, groups);
    unpack_four_groups(rows, offsetof(BlockQ2_K, qs) + 32, NoUpperBits{}, 4, groups);
    const auto d_and_dmin = rows.load_words(offsetof(BlockQ2_K, d));
    const auto d = low_half<Isa>(d_and_dmin);
    const auto dmin = high_half<Isa>(d_and_dmin);
    typename Isa::Word scales[4];
    rows.load_columns(offsetof(BlockQ2_K, scales), scales);
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) {
      groups[i / 2].scales[i % 2] = d * field<Isa>(scales[i / 4], i % 4 * 8, 15);
      groups[i / 2].minimums[i % 2] = dmin * field<Isa>(scales[i / 4], i % 4 * 8 + 4, 15);
    }
  }
};

template <class Isa>
struct Q3_K : Format<Isa, BlockQ3_K, Encoding{.max_byte = 7, .offset = 4}> {
  static void unpack(const PanelRows<Isa>& rows, PanelGroup<Q3_K>* groups) {
    const UpperBits<Isa, 1, 2> third(rows, offsetof(BlockQ3_K, hmask));
    unpack_four_groups(rows, offsetof(BlockQ3_K, qs), third, 0, groups);
    unpack_four_groups(rows, offsetof(BlockQ3_K, qs) + 32, third, 4, groups);
    unpack_scales(rows, groups);
  }

  // Sixteen 6-bit numbers: the low nibbles of bytes 0 to 7, then the high ones; the upper two bits in bytes 8
  // to 11.
  [[gnu::always_inline]] static void unpack_scales(const PanelRows<Isa>& rows, PanelGroup<Q3_K>* groups) {
    using Word = typename Isa::Word;
    const auto d = rows.load_halves(offsetof(BlockQ3_K, d));
    const size_t packed = offsetof(BlockQ3_K, scales);
    const Word low[2] = {rows.load_words(packed), rows.load_words(packed + 4)};
    const Word high = rows.load_words(packed + 8);
#pragma GCC unroll 4
    for (int w = 0; w < 4; w++) {
      const Word scales =
          ((low[w % 2] >> (w / 2 * 4)) & kLowNibbles) | (((high >> (2 * w)) & kLowPairs) << 4);
#pragma GCC unroll 4
      for (int i = 0; i < 4; i++)
        groups[2 * w + i / 2].scales[i % 2] = d * field<Isa>(scales, 8 * i, 255, 32);
    }
  }
};

template <class Isa>
struct Q4_K : Format<Isa, BlockQ4_K, Encoding{.max_byte = 15, .has_minimums = true}> {
  static void unpack(const PanelRows<Isa>& rows, PanelGroup<Q4_K>* groups) {
    unpack_scales_and_minimums(rows, groups);
    unpack_nibble_groups(rows, offsetof(BlockQ4_K, qs), NoUpperBits{}, groups);
  }
};

template <class Isa>
struct Q5_K : Format<Isa, BlockQ5_K, Encoding{.max_byte = 31, .has_minimums = true}> {
  static void unpack(const PanelRows<Isa>& rows, PanelGroup<Q5_K>* groups) {
    unpack_scales_and_minimums(rows, groups);
    const UpperBits<Isa, 1, 4> fifth(rows, offsetof(BlockQ5_K, qh));
    unpack_nibble_groups(rows, offsetof(BlockQ5_K, qs), fifth, groups);
  }
};

template <class Isa>
struct Q6_K : Format<Isa, BlockQ6_K, Encoding{.max_byte = 63, .offset = 32}> {
  static void unpack(const PanelRows<Isa>& rows, PanelGroup<Q6_K>* groups) {
    unpack_half(rows, offsetof(BlockQ6_K, ql), offsetof(BlockQ6_K, qh), groups);
    unpack_half(rows, offsetof(BlockQ6_K, ql) + 64, offsetof(BlockQ6_K, qh) + 32, groups + 4);
    const auto d = rows.load_halves(offsetof(BlockQ6_K, d));
    typename Isa::Word scales[4];
    rows.load_columns(offsetof(BlockQ6_K, scales), scales);
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) {
      // A signed byte plus 128 is the byte with its top bit flipped.
      groups[i / 2].scales[i % 2] = d * field<Isa>(scales[i / 4] ^ 0x80808080, i % 4 * 8, 255, 128);
    }
  }

  // 64 bytes of nibbles and 32 of the bits above them are four groups.
  [[gnu::always_inline]] static void unpack_half(const PanelRows<Isa>& rows, size_t nibbles, size_t pairs,
                                                 PanelGroup<Q6_K>* groups) {
    const UpperBits<Isa, 2, 4> upper(rows, pairs);
    unpack_two_groups(rows, nibbles, upper, 0, 2, groups);
    unpack_two_groups(rows, nibbles + 32, upper, 1, 3, groups);
  }
};

}  // namespace flexinfer::simd
