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
//   arrange          puts the words of 32 columns in the order that `dot` takes, where that is another one
//   dot              adds the products of some Words of each vector and the tokens' values to their sums
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
#include "kernels/simd/interleaved_rows.h"
#include "kernels/simd/panel_rows.h"
#include "quant/q8_activations.h"

namespace flexinfer::simd {

inline constexpr int kGroup = kActivationBlock;  // columns that share an activation scale
inline constexpr int kGroupWords = kGroup / 4;
inline constexpr int kChunkGroups = 16;      // groups unpacked before they are multiplied: two super-blocks
inline constexpr int64_t kTokenBatch = 132;  // whole tiles that share an unpacking: sums stay in the cache

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

// Some groups of a panel, unpacked.
template <class Format, int n_vectors>
struct PanelChunk {
  PanelGroup<Format> groups[n_vectors][kChunkGroups];
  int n_groups;
  size_t first;  // where in the row the groups begin, counted in groups; a multiple of kChunkGroups
};

// What a chunk is multiplied with, for some tokens.
template <class Format, int n_tokens>
struct TokenTile {
  static constexpr int kParts = kChunkGroups * Format::kScales;
  using Sum = std::conditional_t<Format::kEncoding.has_minimums, float, int32_t>;

  const std::byte* values[n_tokens];
  const std::byte* scales[n_tokens];
  // Of the values of each part: their sum where there are minimums, else what their products are added to:
  // what the weights' offset takes off, on top of the integers' bias.
  Sum sums[n_tokens][kParts];
};

template <class Format>
inline constexpr int32_t kFirstInteger = Format::kEncoding.has_wide_scales ? 0 : kIntegerBiasBits;

// The sums of each part of a chunk, from those of 16 values, which are there to the end of the chunk whether
// or not the row reaches as far.
template <class Format, int n_tokens>
[[gnu::always_inline]] inline void load_sums(const std::byte* from, int t,
                                             TokenTile<Format, n_tokens>& tile) {
  constexpr int kParts = TokenTile<Format, n_tokens>::kParts;
  using Parts = typename VectorOf<int32_t, kParts>::Type;
  using Floats = typename VectorOf<float, kParts>::Type;
  Parts parts;
  if constexpr (Format::kScales == 2) {
    typename VectorOf<int16_t, kParts>::Type sums;
    std::memcpy(&sums, from, sizeof sums);
    parts = __builtin_convertvector(sums, Parts);
  } else {
    std::memcpy(&parts, from, sizeof parts);  // two sums in each: the second one in the upper half
    parts = ((parts << 16) >> 16) + (parts >> 16);
  }
  if constexpr (Format::kEncoding.has_minimums) {
    const Floats floats = __builtin_convertvector(parts, Floats);
    std::memcpy(tile.sums[t], &floats, sizeof floats);
  } else {
    parts = parts * -Format::kEncoding.offset + kFirstInteger<Format>;
    std::memcpy(tile.sums[t], &parts, sizeof parts);
  }
}

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
    load_sums(token + q8_sums_offset(cols) + first_group * 2 * sizeof(int16_t), t, tile);
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

// sums[v][t] += the chunk . token first + t.
template <class Format, int n_vectors, int n_tokens>
void multiply_tile(const MatmulArgs& args, const PanelChunk<Format, n_vectors>& chunk, int64_t first,
                   typename Format::Isa::Float (*panel_sums)[n_vectors]) {
  TokenTile<Format, n_tokens> tile;
  load_tile(args, first, chunk.first, tile);
  typename Format::Isa::Float sums[n_vectors][n_tokens];
#pragma GCC unroll 8
  for (int t = 0; t < n_tokens; t++) {
#pragma GCC unroll 8
    for (int v = 0; v < n_vectors; v++)
      sums[v][t] = panel_sums[t][v];
  }
  for (int g = 0; g < chunk.n_groups; g++) {
    const PanelGroup<Format>* groups[n_vectors];
#pragma GCC unroll 8
    for (int v = 0; v < n_vectors; v++)
      groups[v] = &chunk.groups[v][g];
    multiply_group<Format, n_vectors, n_tokens>(groups, tile, g, sums);
  }
#pragma GCC unroll 8
  for (int t = 0; t < n_tokens; t++) {
#pragma GCC unroll 8
    for (int v = 0; v < n_vectors; v++)
      panel_sums[t][v] = sums[v][t];
  }
}

// Asks memory for what the step from group g of the block on will take when it comes to the block `distance`
// further on.
template <class Format, class Rows>
[[gnu::always_inline]] inline void ask_ahead(const Rows& rows, size_t distance, int g) {
  const auto byte_of = [](int group) {
    return Format::kBlockBytes * static_cast<size_t>(group) / Format::kGroups;
  };
  rows.ask_ahead(distance * Format::kBlockBytes, Format::kBlockBytes, byte_of(g),
                 byte_of(g + Format::kStepGroups));
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
    if constexpr (requires { Format::Isa::arrange(groups->weights); })
      Format::Isa::arrange(groups[i].weights);
  }
}

// The blocks that come next in the rows, to n_groups groups.
template <class Format, class Rows>
[[gnu::always_inline]] inline void unpack_groups(Rows& rows, int n_groups, PanelGroup<Format>* groups) {
  for (int g = 0; g < n_groups; g += Format::kGroups) {
    const auto header = Format::read_header(rows);
#pragma GCC unroll 8
    for (int i = 0; i < Format::kGroups; i += Format::kStepGroups) {
      ask_ahead<Format>(rows, kChunkGroups / Format::kGroups, i);
      unpack_step<Format>(rows, header, i / Format::kStepGroups, groups + g + i);
    }
    rows.advance(Format::kBlockBytes);
  }
}

// All tokens in tiles of tile_tokens, what is left of them in smaller ones, whose tokens are a power of two.
template <class Format, int n_vectors, int tile_tokens>
void multiply_tiles(const MatmulArgs& args, const PanelChunk<Format, n_vectors>& chunk, int64_t first,
                    int64_t n_tokens, typename Format::Isa::Float (*panel_sums)[n_vectors]) {
  int64_t t = 0;
  for (; t + tile_tokens <= n_tokens; t += tile_tokens)
    multiply_tile<Format, n_vectors, tile_tokens>(args, chunk, first + t, panel_sums + t);
  if constexpr (tile_tokens > 1)
    multiply_tiles<Format, n_vectors, std::bit_floor(tile_tokens - 1u)>(args, chunk, first + t, n_tokens - t,
                                                                        panel_sums + t);
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

// The rows of a panel, vector by vector.
template <class Rows, size_t... v>
std::array<Rows, sizeof...(v)> panel_rows(const MatmulArgs& args, int64_t first, std::index_sequence<v...>) {
  constexpr int64_t kRows = Rows::Isa::kRows;
  return {Rows(args, first + static_cast<int64_t>(v) * kRows, sizeof...(v) * kRows)...};
}

// The panel that begins at first_row, times n_tokens <= kTokenBatch tokens.
template <class Format, class Rows, int n_vectors>
void multiply_panel(const MatmulArgs& args, int64_t first_row, int64_t first_token, int64_t n_tokens) {
  using Isa = typename Format::Isa;
  auto rows = panel_rows<Rows>(args, first_row, std::make_index_sequence<n_vectors>());
  typename Isa::Float sums[kTokenBatch][n_vectors];
  std::fill_n(&sums[0][0], n_tokens * n_vectors, typename Isa::Float{});
  PanelChunk<Format, n_vectors> chunk;
  for (int64_t group = 0; group < args.cols / kGroup; group += kChunkGroups) {
    chunk.first = static_cast<size_t>(group);
    chunk.n_groups = static_cast<int>(std::min<int64_t>(kChunkGroups, args.cols / kGroup - group));
    for (int v = 0; v < n_vectors; v++)
      unpack_groups<Format>(rows[static_cast<size_t>(v)], chunk.n_groups, chunk.groups[v]);
    multiply_tiles<Format, n_vectors, Isa::kTokenTile>(args, chunk, first_token, n_tokens, sums);
  }
  for (int64_t t = 0; t < n_tokens; t++) {
    for (int v = 0; v < n_vectors; v++)
      store_rows<Isa>(args, first_row + v * Isa::kRows, first_token + t, sums[t][v]);
  }
}

// How far ahead of a product its weights are asked for: more than is on its way from memory to a core at a
// time. Where a block has several groups, what they share is read before its turn, and wants to be there.
template <class Format>
inline constexpr size_t kBytesAhead = Format::kGroups == 1 ? 3072 : 6144;

// Asks memory for lines of what comes kBytesAhead of group g of the block. The words of a group together ask
// for as much as it has, each for its share and in order: requests that come at once stand in the way of
// loads.
template <class Format, class Rows>
[[gnu::always_inline]] inline void ask_beside_word(const Rows& rows, int g, int word) {
  constexpr size_t kGroupBytes = kPanelRows<typename Format::Isa> * Format::kBlockBytes / Format::kGroups;
  constexpr int kLines = (kGroupBytes + kLine - 1) / kLine;
  const size_t begin = kBytesAhead<Format> + static_cast<size_t>(g) * kGroupBytes;
#pragma GCC unroll 8
  for (int line = kLines * word / kGroupWords; line < kLines * (word + 1) / kGroupWords; line++)
    rows.ask_for_line(begin + static_cast<size_t>(line) * kLine);
}

// sums[v][t] += the blocks that come next in the rows . token t. Each step of a block is multiplied as it is
// unpacked.
template <class Format, class Rows, int n_vectors, int n_tokens>
[[gnu::always_inline]] inline void multiply_block(std::array<Rows, n_vectors>& rows,
                                                  const TokenTile<Format, n_tokens>& tile, int g,
                                                  typename Format::Isa::Float (&sums)[n_vectors][n_tokens]) {
  constexpr int kStep = Format::kStepGroups;
  typename Format::Header headers[n_vectors];
#pragma GCC unroll 8
  for (size_t v = 0; v < n_vectors; v++)
    headers[v] = Format::read_header(rows[v]);
#pragma GCC unroll 1
  for (int step = 0; step < Format::kGroups / kStep; step++) {
    PanelGroup<Format> groups[n_vectors][kStep];
#pragma GCC unroll 8
    for (size_t v = 0; v < n_vectors; v++)
      unpack_step<Format>(rows[v], headers[v], step, groups[v]);
#pragma GCC unroll 8
    for (int i = 0; i < kStep; i++) {
      const PanelGroup<Format>* group_of[n_vectors];
#pragma GCC unroll 8
      for (size_t v = 0; v < n_vectors; v++)
        group_of[v] = &groups[v][i];
      const int in_block = step * kStep + i;
      const auto ask = [&](int word) __attribute__((always_inline)) {
        ask_beside_word<Format>(rows[0], in_block, word);
      };
      multiply_group<Format, n_vectors, n_tokens>(group_of, tile, g + in_block, sums, ask);
    }
  }
#pragma GCC unroll 8
  for (size_t v = 0; v < n_vectors; v++)
    rows[v].advance(Format::kBlockBytes);
}

// The vectors of rows that begin at first_row, times the tokens of one tile.
template <class Format, class Rows, int n_vectors, int n_tokens>
void multiply_vectors(const MatmulArgs& args, int64_t first_row) {
  using Isa = typename Format::Isa;
  auto rows = panel_rows<Rows>(args, first_row, std::make_index_sequence<n_vectors>());
  typename Isa::Float sums[n_vectors][n_tokens] = {};
  for (int64_t group = 0; group < args.cols / kGroup; group += kChunkGroups) {
    const auto n_groups = static_cast<int>(std::min<int64_t>(kChunkGroups, args.cols / kGroup - group));
    TokenTile<Format, n_tokens> tile;
    load_tile(args, 0, static_cast<size_t>(group), tile);
    for (int g = 0; g < n_groups; g += Format::kGroups)
      multiply_block<Format, Rows, n_vectors, n_tokens>(rows, tile, g, sums);
  }
  for (int t = 0; t < std::min<int64_t>(n_tokens, args.n_tokens); t++) {
    for (int v = 0; v < n_vectors; v++)
      store_rows<Isa>(args, first_row + v * Isa::kRows, t, sums[v][t]);
  }
}

// Two or three rows are too few for the four that are reached at once.
inline void multiply_row_by_row(MatmulArgs args, MatmulFn multiply_row) {
  const int64_t n_rows = std::exchange(args.n_rows, 1);
  for (int64_t r = 0; r < n_rows; r++) {
    multiply_row(args);
    args.weights += args.row_bytes;
    args.out++;
  }
}

// Calls fn(first row, number of vectors as a constant) for all rows, a panel at a time. Interleaved rows are
// whole panels.
template <class Rows, class Fn>
void for_each_panel(int64_t n_rows, Fn fn) {
  using Isa = typename Rows::Isa;
  int64_t row = 0;
  for (; n_rows - row > kPanelRows<Isa> - Isa::kRows; row += kPanelRows<Isa>)
    fn(row, std::integral_constant<int, Isa::kTileVectors>());
  if constexpr (!Rows::kAreWholePanels) {
    for (; row < n_rows; row += Isa::kRows)
      fn(row, std::integral_constant<int, 1>());
  }
}

// At most n_tokens tokens: weights are multiplied as they are unpacked.
template <class Format, class Rows, int n_tokens>
void multiply_once(const MatmulArgs& args) {
  for_each_panel<Rows>(args.n_rows, [&](int64_t row, auto n_vectors) {
    multiply_vectors<Format, Rows, n_vectors, n_tokens>(args, row);
  });
}

// Any number of tokens: weights are unpacked for kTokenBatch of them at a time.
template <class Format, class Rows>
void multiply_batches(const MatmulArgs& args) {
  for (int64_t t = 0; t < args.n_tokens; t += kTokenBatch) {
    const int64_t n_tokens = std::min(kTokenBatch, args.n_tokens - t);
    for_each_panel<Rows>(args.n_rows, [&](int64_t row, auto n_vectors) {
      multiply_panel<Format, Rows, n_vectors>(args, row, t, n_tokens);
    });
  }
}

template <class Format, class Isa>
void multiply_interleaved(const MatmulArgs& args) {
  using Rows = InterleavedRows<Isa>;
  // Sums of two parts to the group are too many for the registers of eight tokens.
  constexpr int64_t kMostOnce = Format::kScales == 1 ? 8 : 4;
  if (args.n_tokens > kMostOnce) return multiply_batches<Format, Rows>(args);
  if (args.n_tokens > 4) return multiply_once<Format, Rows, kMostOnce>(args);
  if (args.n_tokens > 2) return multiply_once<Format, Rows, 4>(args);
  if (args.n_tokens > 1) return multiply_once<Format, Rows, 2>(args);
  multiply_once<Format, Rows, 1>(args);
}

// Rows that stream: a disk bounds their speed, so that only one token has a way of its own.
template <class Format, class Isa>
void multiply_stored(const MatmulArgs& args) {
  using Rows = PanelRows<Isa>;
  if (args.n_tokens > 1) return multiply_batches<Format, Rows>(args);
  multiply_once<Format, Rows, 1>(args);
}

// As MatmulArgs says, for weights of the type of Format.
template <class Format>
void multiply(const MatmulArgs& args) {
  using Isa = typename Format::Isa;
  if (args.n_tokens < 1) return;
  MatmulArgs rest = args;
  if (args.layout == RowLayout::kInterleaved) {
    MatmulArgs panels = args;
    panels.n_rows = args.n_rows / kPanelRows<Isa> * kPanelRows<Isa>;
    multiply_interleaved<Format, Isa>(panels);
    rest.layout = RowLayout::kStored;
    rest.n_rows -= panels.n_rows;
    rest.weights += static_cast<size_t>(panels.n_rows) * args.row_bytes;
    rest.out += panels.n_rows;
  }
  if (rest.n_rows == 2 || rest.n_rows == 3) return multiply_row_by_row(rest, multiply<Format>);
  multiply_stored<Format, Isa>(rest);
}

}  // namespace flexinfer::simd
