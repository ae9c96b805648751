// How the types whose nibbles stand for levels of a table unpack into the groups of a panel. Layouts:
// quant/blocks.h.
#pragma once

#include <array>
#include <cstddef>

#include "kernels/simd/matmul_quant_k.h"
#include "quant/unpack.h"

namespace flexinfer::simd {

using LevelBytes = std::array<uint8_t, 16>;

constexpr LevelBytes level_bytes(const int8_t (&levels)[16], int offset) {
  LevelBytes bytes{};
  for (size_t i = 0; i < bytes.size(); i++)
    bytes[i] = static_cast<uint8_t>(levels[i] + offset);
  return bytes;
}

// 16 bytes at `offset`: the low nibbles are the first 16 weights.
template <class Format, class Rows>
[[gnu::always_inline]] inline void unpack_levels(const Rows& rows, size_t offset, const LevelBytes& levels,
                                                 PanelGroup<Format>* group) {
  unpack_nibbles(rows, offset, group);
#pragma GCC unroll 8
  for (auto& word : group->weights)
    word = Format::Isa::look_up(levels.data(), word);
}

// The levels reach too far for AVX2 to add up the products of unsigned bytes.
template <class Isa>
inline constexpr Encoding kIq4Encoding = {.max_byte = 255, .offset = Isa::kSignedBias, .is_signed = true};
template <class Isa>
inline constexpr LevelBytes kIq4Bytes = level_bytes(kIq4Levels, Isa::kSignedBias);

template <class Isa>
struct IQ4_NL : Format<Isa, BlockIQ4_NL, kIq4Encoding<Isa>> {
  template <class Rows>
  [[gnu::always_inline]] static void unpack(const Rows& rows, NoHeader, int, PanelGroup<IQ4_NL>* group) {
    unpack_levels(rows, offsetof(BlockIQ4_NL, qs), kIq4Bytes<Isa>, group);
    group->scales[0] = rows.load_first_halves(offsetof(BlockIQ4_NL, d));
  }
};

template <class Isa>
struct IQ4_XS : Format<Isa, BlockIQ4_XS, kIq4Encoding<Isa>> {
  struct Header {
    typename Isa::Word d_and_high;  // the upper two bits of the scales, above d
    typename Isa::Word low;         // the lower four
    typename Isa::Float d;
  };
  template <class Rows>
  [[gnu::always_inline]] static Header read_header(const Rows& rows) {
    const auto d_and_high = rows.load_words(offsetof(BlockIQ4_XS, d));
    return {d_and_high, rows.load_words(offsetof(BlockIQ4_XS, scales_l)), low_half<Isa>(d_and_high)};
  }
  template <class Rows>
  [[gnu::always_inline]] static void unpack(const Rows& rows, const Header& header, int g,
                                            PanelGroup<IQ4_XS>* group) {
    unpack_levels(rows, offsetof(BlockIQ4_XS, qs) + 16 * static_cast<size_t>(g), kIq4Bytes<Isa>, group);
    const auto scales = ((header.low >> (4 * g)) & 15) | (((header.d_and_high >> (16 + 2 * g)) & 3) << 4);
    group->scales[0] = header.d * field<Isa>(scales, 0, 63, 32);
  }
};

inline constexpr int kMxfp4Offset = 12;

template <class Isa>
struct MXFP4
    : Format<Isa, BlockMXFP4,
             Encoding{.max_byte = 2 * kMxfp4Offset, .offset = kMxfp4Offset, .has_wide_scales = true}> {
  static constexpr LevelBytes kBytes = level_bytes(kMxfp4Levels, kMxfp4Offset);

  template <class Rows>
  [[gnu::always_inline]] static void unpack(const Rows& rows, NoHeader, int, PanelGroup<MXFP4>* group) {
    unpack_levels(rows, offsetof(BlockMXFP4, qs), kBytes, group);
    group->scales[0] = power_of_two(rows.load_bytes(offsetof(BlockMXFP4, e)));
  }

  // 2^(e - 128), which is subnormal where e < 2.
  [[gnu::always_inline]] static typename Isa::Float power_of_two(typename Isa::Word e) {
    const typename Isa::Word normal = (e - 1) << 23;
    const typename Isa::Word subnormal = (e + 1) << 21;
    return reinterpret_cast<typename Isa::Float>(e < 2 ? subnormal : normal);
  }
};

}  // namespace flexinfer::simd
