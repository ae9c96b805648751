// How super-blocks of 256 weights unpack into the eight groups of a panel, some at a time. Layouts:
// quant/blocks.h.
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
  UpperBits() = default;
  template <class Rows>
  [[gnu::always_inline]] UpperBits(const Rows& rows, size_t offset) {
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

// 32 bytes: the low nibbles are group `low` of the block, the high ones group `high`.
template <class Format, class Rows, class Upper>
[[gnu::always_inline]] inline void unpack_two_groups(const Rows& rows, size_t offset, const Upper& upper,
                                                     int low, int high, PanelGroup<Format>* low_group,
                                                     PanelGroup<Format>* high_group) {
  typename Format::Isa::Word columns[kGroupWords];
  rows.load_eight_columns(offset, columns);
#pragma GCC unroll 8
  for (int i = 0; i < kGroupWords; i++) {
    low_group->weights[i] = (columns[i] & kLowNibbles) | upper.of(low, i);
    high_group->weights[i] = ((columns[i] >> 4) & kLowNibbles) | upper.of(high, i);
  }
}

// 32 bytes: the pairs of bits, from the low ones upwards, are four groups of the block from `first` on.
template <class Format, class Rows, class Upper>
[[gnu::always_inline]] inline void unpack_four_groups(const Rows& rows, size_t offset, const Upper& upper,
                                                      int first, PanelGroup<Format>* groups) {
  typename Format::Isa::Word columns[kGroupWords];
  rows.load_eight_columns(offset, columns);
#pragma GCC unroll 8
  for (int i = 0; i < kGroupWords; i++) {
#pragma GCC unroll 4
    for (int g = 0; g < 4; g++)
      groups[g].weights[i] = ((columns[i] >> (2 * g)) & kLowPairs) | upper.of(first + g, i);
  }
}

// The 16 bytes that Q4_K and Q5_K begin with: d, dmin, and eight pairs of 6-bit numbers. The low six bits of
// bytes 0 to 3 and 4 to 7 are the first four scales and minimums. The others have their low four bits in the
// nibbles of bytes 8 to 11 and their upper two in what is left of the bytes before.
template <class Isa>
struct ScalesAndMinimums {
  typename Isa::Float d;
  typename Isa::Float minus_dmin;
  typename Isa::Word scales[2];
  typename Isa::Word minimums[2];

  template <class Rows>
  [[gnu::always_inline]] static ScalesAndMinimums read(const Rows& rows) {
    typename Isa::Word words[4];
    rows.load_columns(0, words);
    return {low_half<Isa>(words[0]),
            -high_half<Isa>(words[0]),
            {words[1] & 0x3f3f3f3f, (words[3] & kLowNibbles) | ((words[1] >> 2) & 0x30303030)},
            {words[2] & 0x3f3f3f3f, ((words[3] >> 4) & kLowNibbles) | ((words[2] >> 2) & 0x30303030)}};
  }
  // Those of group g of the block.
  template <class Format>
  [[gnu::always_inline]] void unpack(int g, PanelGroup<Format>* group) const {
    group->scales[0] = d * field<Isa>(scales[g / 4], g % 4 * 8, 255);
    group->minimums[0] = minus_dmin * field<Isa>(minimums[g / 4], g % 4 * 8, 255);
  }
};

template <class Isa>
struct Q2_K : Format<Isa, BlockQ2_K, Encoding{.max_byte = 3, .has_minimums = true}> {
  static constexpr int kStepGroups = 4;
  struct Header {
    typename Isa::Float d;
    typename Isa::Float minus_dmin;
    typename Isa::Word scales[4];
  };
  template <class Rows>
  [[gnu::always_inline]] static Header read_header(const Rows& rows) {
    const auto d_and_dmin = rows.load_words(offsetof(BlockQ2_K, d));
    Header header{low_half<Isa>(d_and_dmin), -high_half<Isa>(d_and_dmin), {}};
    rows.load_columns(offsetof(BlockQ2_K, scales), header.scales);
    return header;
  }
  template <class Rows>
  [[gnu::always_inline]] static void unpack(const Rows& rows, const Header& header, int step,
                                            PanelGroup<Q2_K>* groups) {
    unpack_four_groups(rows, offsetof(BlockQ2_K, qs) + 32 * static_cast<size_t>(step), NoUpperBits{},
                       4 * step, groups);
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
      const auto scales = header.scales[2 * step + i / 4];
      groups[i / 2].scales[i % 2] = header.d * field<Isa>(scales, i % 4 * 8, 15);
      groups[i / 2].minimums[i % 2] = header.minus_dmin * field<Isa>(scales, i % 4 * 8 + 4, 15);
    }
  }
};

template <class Isa>
struct Q3_K : Format<Isa, BlockQ3_K, Encoding{.max_byte = 7, .offset = 4}> {
  static constexpr int kStepGroups = 4;
  // Sixteen 6-bit numbers: the low nibbles of bytes 0 to 7, then the high ones; the upper two bits in bytes 8
  // to 11.
  struct Header {
    UpperBits<Isa, 1, 2> third;
    typename Isa::Float d;
    typename Isa::Word low[2];
    typename Isa::Word high;
  };
  template <class Rows>
  [[gnu::always_inline]] static Header read_header(const Rows& rows) {
    constexpr size_t kScales = offsetof(BlockQ3_K, scales);
    return {UpperBits<Isa, 1, 2>(rows, offsetof(BlockQ3_K, hmask)),
            rows.load_halves(offsetof(BlockQ3_K, d)),
            {rows.load_words(kScales), rows.load_words(kScales + 4)},
            rows.load_words(kScales + 8)};
  }
  template <class Rows>
  [[gnu::always_inline]] static void unpack(const Rows& rows, const Header& header, int step,
                                            PanelGroup<Q3_K>* groups) {
    unpack_four_groups(rows, offsetof(BlockQ3_K, qs) + 32 * static_cast<size_t>(step), header.third, 4 * step,
                       groups);
#pragma GCC unroll 2
    for (int w = 0; w < 2; w++) {
      const auto scales = ((header.low[w] >> (4 * step)) & kLowNibbles) |
                          (((header.high >> (4 * step + 2 * w)) & kLowPairs) << 4);
#pragma GCC unroll 4
      for (int i = 0; i < 4; i++)
        groups[2 * w + i / 2].scales[i % 2] = header.d * field<Isa>(scales, 8 * i, 255, 32);
    }
  }
};

template <class Isa>
struct Q4_K : Format<Isa, BlockQ4_K, Encoding{.max_byte = 15, .has_minimums = true}> {
  static constexpr int kStepGroups = 2;
  using Header = ScalesAndMinimums<Isa>;
  template <class Rows>
  [[gnu::always_inline]] static Header read_header(const Rows& rows) {
    return Header::read(rows);
  }
  template <class Rows>
  [[gnu::always_inline]] static void unpack(const Rows& rows, const Header& header, int step,
                                            PanelGroup<Q4_K>* groups) {
    const int g = 2 * step;
    unpack_two_groups(rows, offsetof(BlockQ4_K, qs) + 32 * static_cast<size_t>(step), NoUpperBits{}, g, g + 1,
                      groups, groups + 1);
    header.unpack(g, groups);
    header.unpack(g + 1, groups + 1);
  }
};

template <class Isa>
struct Q5_K : Format<Isa, BlockQ5_K, Encoding{.max_byte = 31, .has_minimums = true}> {
  static constexpr int kStepGroups = 2;
  struct Header {
    ScalesAndMinimums<Isa> scales;
    UpperBits<Isa, 1, 4> fifth;
  };
  template <class Rows>
  [[gnu::always_inline]] static Header read_header(const Rows& rows) {
    return {ScalesAndMinimums<Isa>::read(rows), UpperBits<Isa, 1, 4>(rows, offsetof(BlockQ5_K, qh))};
  }
  template <class Rows>
  [[gnu::always_inline]] static void unpack(const Rows& rows, const Header& header, int step,
                                            PanelGroup<Q5_K>* groups) {
    const int g = 2 * step;
    unpack_two_groups(rows, offsetof(BlockQ5_K, qs) + 32 * static_cast<size_t>(step), header.fifth, g, g + 1,
                      groups, groups + 1);
    header.scales.unpack(g, groups);
    header.scales.unpack(g + 1, groups + 1);
  }
};

template <class Isa>
struct Q6_K : Format<Isa, BlockQ6_K, Encoding{.max_byte = 63, .offset = 32}> {
  static constexpr int kStepGroups = 4;
  struct Header {
    typename Isa::Float d;
    typename Isa::Word scales[4];
  };
  template <class Rows>
  [[gnu::always_inline]] static Header read_header(const Rows& rows) {
    Header header{rows.load_halves(offsetof(BlockQ6_K, d)), {}};
    rows.load_columns(offsetof(BlockQ6_K, scales), header.scales);
    return header;
  }
  // 64 bytes of nibbles and 32 of the bits above them are four groups.
  template <class Rows>
  [[gnu::always_inline]] static void unpack(const Rows& rows, const Header& header, int step,
                                            PanelGroup<Q6_K>* groups) {
    const size_t nibbles = offsetof(BlockQ6_K, ql) + 64 * static_cast<size_t>(step);
    const UpperBits<Isa, 2, 4> upper(rows, offsetof(BlockQ6_K, qh) + 32 * static_cast<size_t>(step));
    unpack_two_groups(rows, nibbles, upper, 0, 2, groups, groups + 2);
    unpack_two_groups(rows, nibbles + 32, upper, 1, 3, groups + 1, groups + 3);
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
      // A signed byte plus 128 is the byte with its top bit flipped.
      const auto scales = header.scales[2 * step + i / 4] ^ 0x80808080;
      groups[i / 2].scales[i % 2] = header.d * field<Isa>(scales, i % 4 * 8, 255, 128);
    }
  }
};

}  // namespace flexinfer::simd
