// The product of quantised weights and 8-bit activations, written once for every vector instruction set.
//
// A panel is one or several vectors of rows (panel_rows.h, or interleaved_rows.h where they are laid out for
// it). Lane r belongs to row r throughout: nothing is ever summed across lanes, so a row's bits cannot depend
// on its neighbours. Weights are unpacked in groups of 32 columns, four columns of a row in one lane. For a
// few tokens each block is multiplied as it is unpacked: memory bounds their speed. For many a chunk of
// groups is unpacked once and multiplied by tiles of them while it is in the first cache: arithmetic does. A
// tile's integer sums stay in registers.
//
// The order of one output element, the same as in kernels/generic/matmul_quant.cpp, so that bits are equal:
//   for each group of 32 columns, in order:
//     part(h) = scale(h) * float(dot(h))
//     part(h) = part(h) + minimum(h) * float(sum(h))     only where the type has minimums
//     total   = part(0)                                  or part(0) + part(1) where 16 weights share a scale
//     out     = out + total * activation_scale
// dot and sum are exact integers over the columns that share a scale. Every line rounds once: a product that
// is added is fused with the addition.
//
// An instruction set is a struct Isa, derived from Lanes<number of rows>, with
//   kTileVectors     vectors of rows multiplied at once (1 unless it says otherwise)
//   kTokenTile       tokens multiplied at once
//   kDotWords        words that `dot` takes at once, at most (8 unless it says otherwise)
//   kSignedBias      what is added to a signed weight to give the byte that `dot` takes
//   half_to_float    Halves to Float
//   multiply_add     a * b + c, rounded once
//   look_up          a table of 16 bytes and a Word of bytes below 16 to those bytes of the table
//   load_columns     16 bytes at an offset of each row to four Words, as PanelRows::load_columns says
//   load_eight_columns   the same with 32 bytes, where that is better than load_columns twice
//   arrange          puts the words of 32 columns, in some Encoding, as its products take them, where that is
//                    another way
//   dot              adds the products of some Words of each vector and the tokens' values to their sums
//   ChunkProducts    multiplies unpacked chunks as the one in matmul_quant_many.h does, where that is better
//                    done than by `dot`
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "kernels/kernel_table.h"
#include "kernels/simd/panel_rows.h"
#include "quant/q8_activations.h"

namespace flexinfer::simd {

inline constexpr int kGroup = kActivationBlock;  // columns that share an activation scale
inline constexpr int kGroupWords = kGroup / 4;
inline constexpr int kChunkGroups = 16;  // groups unpacked before they are multiplied: two super-blocks

// All lanes alike. Nothing else leaves every number as it is, zeros of either sign among them.
template <class Vector>
[[gnu::always_inline]] inline Vector broadcast(float number) {
  return number - Vector{};
}

// How a type's weights stand in bytes: weight = scale * (byte - offset), plus a minimum where it has one.
struct Encoding {
  int max_byte;
  int offset = 0;
  bool has_minimums = false;
  bool is_signed = false;        // the byte is the weight plus Isa::kSignedBias
  bool has_wide_scales = false;  // beyond what kIntegerBias allows
};

// Integers are added up on top of the bits of this float. From 2^23 to 2^24 floats are the whole numbers, so
// that with n added, |n| < 2^22, the bits are those of kIntegerBias + n. A fused multiply-add takes the bias
// off again on the way: (kIntegerBias + n) * scale - kIntegerBias * scale is n * scale rounded once, as
// kIntegerBias has two significant bits and its product with a scale of up to 22 is exact. Converting n would
// cost as much as multiplying it.
inline constexpr float kIntegerBias = 0x1.8p23F;
inline constexpr int32_t kIntegerBiasBits = std::bit_cast<int32_t>(kIntegerBias);

struct NoHeader {};

// What every format has in common. A format of several groups to the block unpacks kStepGroups of them at a
// time, in order, and says otherwise what a Header is: what the groups of a block share. A format adds
//   unpack(rows, header, step, groups)    the groups of this step of the block that comes next in the rows
template <class InstructionSet, class Block, Encoding encoding>
struct Format {
  using Isa = InstructionSet;
  using Header = NoHeader;
  static constexpr Encoding kEncoding = encoding;
  static constexpr size_t kBlockBytes = sizeof(Block);
  static constexpr int kGroups = Block::kWeights / kGroup;
  static constexpr int kStepGroups = 1;
  static constexpr int kScales = kGroup / Block::kScaleWeights;

  template <class Rows>
  static Header read_header(const Rows&) {
    return {};
  }
};

// 32 columns of a vector of rows.
template <class Format>
struct PanelGroup {
  using Isa = typename Format::Isa;
  typename Isa::Word weights[kGroupWords];        // column 4 * i + b of row r: byte b of lane r of weights[i]
  typename Isa::Float scales[Format::kScales];    // one for every 32 / kScales columns
  typename Isa::Float biases[Format::kScales];    // scales * -kIntegerBias
  typename Isa::Float minimums[Format::kScales];  // set only where the format has minimums
};

template <class Format>
inline constexpr int kChunkParts = kChunkGroups* Format::kScales;

template <class Format>
inline constexpr int32_t kFirstInteger = Format::kEncoding.has_wide_scales ? 0 : kIntegerBiasBits;

// Of a token's values in each part of a chunk: their sum where there are minimums, else what their products
// are added to: what the weights' offset takes off, on top of the integers' bias.
template <class Format>
using PartSums = std::conditional_t<Format::kEncoding.has_minimums, float, int32_t>[kChunkParts<Format>];

// From the sums of 16 values, which are there to the end of the chunk whether or not the row reaches as far.
template <class Format>
[[gnu::always_inline]] inline void load_sums(const std::byte* from, PartSums<Format>& sums) {
  constexpr int kParts = kChunkParts<Format>;
  using Parts = typename VectorOf<int32_t, kParts>::Type;
  using Floats = typename VectorOf<float, kParts>::Type;
  Parts parts;
  if constexpr (Format::kScales == 2) {
    typename VectorOf<int16_t, kParts>::Type halves;
    std::memcpy(&halves, from, sizeof halves);
    parts = __builtin_convertvector(halves, Parts);
  } else {
    std::memcpy(&parts, from, sizeof parts);  // two sums in each: the second one in the upper half
    parts = ((parts << 16) >> 16) + (parts >> 16);
  }
  if constexpr (Format::kEncoding.has_minimums) {
    const Floats floats = __builtin_convertvector(parts, Floats);
    std::memcpy(sums, &floats, sizeof floats);
  } else {
    parts = parts * -Format::kEncoding.offset + kFirstInteger<Format>;
    std::memcpy(sums, &parts, sizeof parts);
  }
}

// What a chunk is multiplied with, for some tokens.
template <class Format, int n_tokens>
struct TokenTile {
  const std::byte* values[n_tokens];
  const std::byte* scales[n_tokens];
  PartSums<Format> sums[n_tokens];
};

// Tokens from `first` on; where these are fewer than a tile takes, the last one more than once.
template <class Format, int n_tokens>
[[gnu::always_inline]] inline void load_tile(const MatmulArgs& args, int64_t first, size_t first_group,
                                             TokenTile<Format, n_tokens>& tile) {
  const auto cols = static_cast<size_t>(args.cols);
#pragma GCC unroll 8
  for (int t = 0; t < n_tokens; t++) {
    const int64_t index = std::min(first + t, args.n_tokens - 1);
    const std::byte* token = args.activations + static_cast<size_t>(index) * args.activation_bytes;
    tile.values[t] = token + first_group * kGroup;
    tile.scales[t] = token + q8_scales_offset(cols) + first_group * sizeof(float);
    load_sums<Format>(token + q8_sums_offset(cols) + first_group * 2 * sizeof(int16_t), tile.sums[t]);
  }
}

// Sums that kFirstInteger began, times the scale of part h.
template <class Format>
[[gnu::always_inline]] inline typename Format::Isa::Float scaled(const PanelGroup<Format>& group, int h,
                                                                 typename Format::Isa::Int sums) {
  using Float = typename Format::Isa::Float;
  if constexpr (Format::kEncoding.has_wide_scales)
    return __builtin_convertvector(sums, Float) * group.scales[h];
  return Format::Isa::multiply_add(reinterpret_cast<Float>(sums), group.scales[h], group.biases[h]);
}

// What multiplying a group does beside, before each of its words: nothing here.
struct NothingBeside {
  [[gnu::always_inline]] void operator()(int) const {}
};

// sums += the products of all words of part h. `words` are those of the parts.
template <class Format, int n_vectors, int n_tokens, class Beside>
[[gnu::always_inline]] inline void add_products(const typename Format::Isa::Word* (&words)[n_vectors],
                                                const std::byte* (&values)[n_tokens], int h,
                                                typename Format::Isa::Int (&sums)[n_vectors][n_tokens],
                                                const Beside& beside) {
  using Isa = typename Format::Isa;
  constexpr int kWords = kGroupWords / Format::kScales;
  constexpr int kAtOnce = std::min(kWords, Isa::kDotWords);
#pragma GCC unroll 8
  for (int i = 0; i < kWords; i += kAtOnce) {
#pragma GCC unroll 8
    for (int word = i; word < i + kAtOnce; word++)
      beside(h * kWords + word);
    Isa::template dot<Format::kEncoding, kAtOnce>(words, values, sums);
#pragma GCC unroll 8
    for (auto& word : words)
      word += kAtOnce;
#pragma GCC unroll 8
    for (auto& value : values)
      value += 4 * kAtOnce;
  }
}

// totals = part h of the groups . the same columns of the tile, without the activations' scales. The groups,
// one a vector of rows, are group g of their chunk.
template <class Format, int n_vectors, int n_tokens, class Beside>
[[gnu::always_inline]] inline void multiply_part(const PanelGroup<Format>* const (&groups)[n_vectors],
                                                 const TokenTile<Format, n_tokens>& tile, int g, int h,
                                                 typename Format::Isa::Float (&totals)[n_vectors][n_tokens],
                                                 const Beside& beside) {
  using Isa = typename Format::Isa;
  using Float = typename Isa::Float;
  constexpr Encoding kEncoding = Format::kEncoding;
  constexpr int kWords = kGroupWords / Format::kScales;
  const int part = g * Format::kScales + h;
  typename Isa::Int dots[n_vectors][n_tokens];
  const typename Isa::Word* weights[n_vectors];
  const std::byte* values[n_tokens];
#pragma GCC unroll 8
  for (int v = 0; v < n_vectors; v++)
    weights[v] = groups[v]->weights + h * kWords;
#pragma GCC unroll 8
  for (int t = 0; t < n_tokens; t++) {
    values[t] = tile.values[t] + (g * kGroup + h * kWords * 4);
#pragma GCC unroll 8
    for (int v = 0; v < n_vectors; v++) {
      dots[v][t] = typename Isa::Int{} + kFirstInteger<Format>;
      if constexpr (!kEncoding.has_minimums && kEncoding.offset != 0)
        dots[v][t] = typename Isa::Int{} + tile.sums[t][part];
    }
  }
  add_products<Format>(weights, values, h, dots, beside);
#pragma GCC unroll 8
  for (int t = 0; t < n_tokens; t++) {
#pragma GCC unroll 8
    for (int v = 0; v < n_vectors; v++) {
      Float product = scaled(*groups[v], h, dots[v][t]);
      if constexpr (kEncoding.has_minimums)
        product = Isa::multiply_add(groups[v]->minimums[h], broadcast<Float>(tile.sums[t][part]), product);
      totals[v][t] = h == 0 ? product : totals[v][t] + product;
    }
  }
}

// sums += the groups . the same columns of the tile
template <class Format, int n_vectors, int n_tokens, class Beside = NothingBeside>
[[gnu::always_inline]] inline void multiply_group(const PanelGroup<Format>* const (&groups)[n_vectors],
                                                  const TokenTile<Format, n_tokens>& tile, int g,
                                                  typename Format::Isa::Float (&sums)[n_vectors][n_tokens],
                                                  const Beside& beside = {}) {
  typename Format::Isa::Float totals[n_vectors][n_tokens];
#pragma GCC unroll 2
  for (int h = 0; h < Format::kScales; h++)
    multiply_part(groups, tile, g, h, totals, beside);
#pragma GCC unroll 8
  for (int t = 0; t < n_tokens; t++) {
    const auto scale = load<float>(tile.scales[t] + static_cast<size_t>(g) * sizeof(float));
#pragma GCC unroll 8
    for (int v = 0; v < n_vectors; v++)
      sums[v][t] =
          Format::Isa::multiply_add(totals[v][t], broadcast<typename Format::Isa::Float>(scale), sums[v][t]);
  }
}

// The outputs of one vector of rows and one token. Rows that stand in several lanes have the same value in
// all.
template <class Isa>
void store_rows(const MatmulArgs& args, int64_t first_row, int64_t token, const typename Isa::Float& sums) {
  float* out = args.out + token * args.out_stride;
  float lanes[Isa::kRows];
  std::memcpy(lanes, &sums, sizeof lanes);
  if (args.n_rows == 1) {
    *out = lanes[0];
    return;
  }
  if (first_row + Isa::kRows <= args.n_rows) {
    std::memcpy(out + first_row, lanes, sizeof lanes);
    return;
  }
  for (int quad = 0; quad < Isa::kRows / 4; quad++)
    std::memcpy(out + PanelRows<Isa>::row_of_quad(args, first_row, quad), lanes + 4 * quad,
                4 * sizeof(float));
}

// The groups of a step of the block that comes next in the rows, as Isa::dot takes them.
template <class Format, class Rows>
[[gnu::always_inline]] inline void unpack_step(const Rows& rows, const typename Format::Header& header,
                                               int step, PanelGroup<Format>* groups) {
  Format::unpack(rows, header, step, groups);
#pragma GCC unroll 8
  for (int i = 0; i < Format::kStepGroups; i++) {
#pragma GCC unroll 2
    for (int h = 0; h < Format::kScales; h++)
      groups[i].biases[h] = groups[i].scales[h] * -kIntegerBias;
    if constexpr (requires { Format::Isa::template arrange<Format::kEncoding>(groups->weights); })
      Format::Isa::template arrange<Format::kEncoding>(groups[i].weights);
  }
}

// The rows of a panel, vector by vector.
template <class Rows, size_t... v>
std::array<Rows, sizeof...(v)> panel_rows(const MatmulArgs& args, int64_t first, std::index_sequence<v...>) {
  constexpr int64_t kRows = Rows::Isa::kRows;
  return {Rows(args, first + static_cast<int64_t>(v) * kRows, sizeof...(v) * kRows)...};
}

}  // namespace flexinfer::simd
