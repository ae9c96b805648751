// The product of quantised weights and 8-bit activations, written once for every vector instruction set.
//
// A panel is as many rows as a vector has 32-bit lanes. Lane r belongs to row r throughout: nothing is ever
// summed across lanes, so a row's bits cannot depend on its neighbours. Weights are unpacked in groups of 32
// columns, four columns of a row in one lane, and a chunk of groups is multiplied with all tokens while it is
// in the cache.
//
// The order of one output element, the same as in kernels/generic/matmul_quant.cpp, so that bits are equal:
//   for each group of 32 columns, in order:
//     part(h) = scale(h) * float(dot(h))
//     part(h) = part(h) - minimum(h) * float(sum(h))     only where the type has minimums
//     total   = part(0)                                  or part(0) + part(1) where 16 weights share a scale
//     out     = out + total * activation_scale
// dot and sum are exact integers over the columns that share a scale. Every float operation rounds once.
//
// An instruction set is a struct Isa, derived from Lanes<number of rows>, with
//   kTokenTile       tokens multiplied at once, a power of two
//   kSignedBias      what is added to a signed weight to give the byte that `dot` takes
//   half_to_float    Halves to Float
//   look_up          a table of 16 bytes and a Word of bytes below 16 to those bytes of the table
//   load_columns     16 bytes at an offset of each row to four Words, as PanelRows::load_columns says
//   dot              adds the products of some Words of weights and the tokens' values to the tokens' sums
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "kernels/kernel_table.h"
#include "quant/q8_activations.h"

namespace flexinfer::simd {

inline constexpr int kGroup = kActivationBlock;  // columns that share an activation scale
inline constexpr int kGroupWords = kGroup / 4;
inline constexpr int kChunkGroups = 8;      // groups unpacked before they are multiplied: one super-block
inline constexpr int64_t kTokenBatch = 64;  // tokens that share an unpacking: their sums stay in the cache

// Vectors of one number for each row of a panel.
template <int n_rows>
struct Lanes {
  static constexpr int kRows = n_rows;
  typedef uint32_t Word __attribute__((vector_size(n_rows * 4)));
  typedef int32_t Int __attribute__((vector_size(n_rows * 4)));
  typedef float Float __attribute__((vector_size(n_rows * 4)));
  typedef uint16_t Halves __attribute__((vector_size(n_rows * 2)));
};

// How a type's weights stand in bytes: weight = scale * (byte - offset), less a minimum where it has one.
struct Encoding {
  int max_byte;
  int offset = 0;
  bool has_minimums = false;
  bool is_signed = false;  // the byte is the weight plus Isa::kSignedBias
};

// What every format has in common. A format adds
//   unpack(rows, block, groups)    the blocks that begin `block` bytes into the rows, to kGroups groups
template <class InstructionSet, class Block, Encoding encoding>
struct Format {
  using Isa = InstructionSet;
  static constexpr Encoding kEncoding = encoding;
  static constexpr size_t kBlockBytes = sizeof(Block);
  static constexpr int kGroups = Block::kWeights / kGroup;
  static constexpr int kScales = kGroup / Block::kScaleWeights;
};

// 32 columns of a panel.
template <class Format>
struct PanelGroup {
  using Isa = typename Format::Isa;
  typename Isa::Word weights[kGroupWords];        // column 4 * i + b of row r: byte b of lane r of weights[i]
  typename Isa::Float scales[Format::kScales];    // one for every 32 / kScales columns
  typename Isa::Float minimums[Format::kScales];  // set only where the format has minimums
};

// Some groups of a panel, unpacked.
template <class Format>
struct PanelChunk {
  PanelGroup<Format> groups[kChunkGroups];
  int n_groups;
  size_t first;  // where in the row the groups begin, counted in groups
};

template <class Value>
[[gnu::always_inline]] inline Value load(const std::byte* from) {
  Value value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// The rows of a panel. Where the matrix ends within it, the last row is repeated: those lanes are not stored.
template <class Isa>
class PanelRows {
 public:
  PanelRows(const MatmulArgs& args, int64_t first) {
    for (int r = 0; r < Isa::kRows; r++)
      rows_[r] = row_at(args, first + r);
    next_ = row_at(args, first + Isa::kRows);
  }

  // 16 bytes at `offset` of each row as four columns: column i holds the bytes from 4 * i on.
  [[gnu::always_inline]] void load_columns(size_t offset, typename Isa::Word* columns) const {
    prefetch(offset, 16);
    Isa::load_columns(rows_, offset, columns);
  }

  // 32 bytes as eight columns.
  [[gnu::always_inline]] void load_eight_columns(size_t offset, typename Isa::Word* columns) const {
    load_columns(offset, columns);
    load_columns(offset + 16, columns + 4);
  }

  [[gnu::always_inline]] typename Isa::Word load_words(size_t offset) const {
    return gather<typename Isa::Word, uint32_t>(offset, std::make_index_sequence<Isa::kRows>());
  }

  // One byte of each row.
  [[gnu::always_inline]] typename Isa::Word load_bytes(size_t offset) const {
    return gather<typename Isa::Word, uint8_t>(offset, std::make_index_sequence<Isa::kRows>());
  }

  [[gnu::always_inline]] typename Isa::Float load_halves(size_t offset) const {
    return Isa::half_to_float(
        gather<typename Isa::Halves, uint16_t>(offset, std::make_index_sequence<Isa::kRows>()));
  }

 private:
  static const std::byte* row_at(const MatmulArgs& args, int64_t row) {
    return args.weights + static_cast<size_t>(std::min(row, args.n_rows - 1)) * args.row_bytes;
  }

  template <class Vector, class Value, size_t... r>
  [[gnu::always_inline]] Vector gather(size_t offset, std::index_sequence<r...>) const {
    prefetch(offset, sizeof(Value));
    return Vector{load<Value>(rows_[r] + offset)...};
  }

  // Asks for as much of the next panel as is read of this one, in the order of its bytes: processors follow
  // one stream of reads far better than one for each row. Past the end of the matrix this does no harm.
  [[gnu::always_inline]] void prefetch(size_t offset, size_t n_bytes) const {
    for (size_t i = 0; i < n_bytes * Isa::kRows; i += 64)
      __builtin_prefetch(next_ + offset * Isa::kRows + i, 0, 2);
  }

  const std::byte* rows_[Isa::kRows];
  const std::byte* next_;  // the row after the panel
};

// Where the activations of some tokens begin, and the offsets of the parts of a Q8 row.
template <int n_tokens>
struct TokenTile {
  const std::byte* token[n_tokens];
  size_t scales_offset;
  size_t sums_offset;
};

// The sum of a token's values over part h of a group, whose sums are given.
template <class Format>
[[gnu::always_inline]] inline int part_sum(const std::byte* sums, int h) {
  if constexpr (Format::kScales == 2) return load<int16_t>(sums + h * 2);
  return load<int16_t>(sums) + load<int16_t>(sums + 2);
}

// totals[t] += part h of a group of weights . the same columns of group `index` of the tokens' activations.
template <class Format, int n_tokens>
[[gnu::always_inline]] inline void multiply_part(const PanelGroup<Format>& group,
                                                 const TokenTile<n_tokens>& tile, size_t index, int h,
                                                 typename Format::Isa::Float (&totals)[n_tokens]) {
  using Isa = typename Format::Isa;
  constexpr Encoding kEncoding = Format::kEncoding;
  constexpr int kWords = kGroupWords / Format::kScales;
  typename Isa::Int dots[n_tokens];
  int sums[n_tokens];
  const std::byte* values[n_tokens];
#pragma GCC unroll 8
  for (int t = 0; t < n_tokens; t++) {
    sums[t] = part_sum<Format>(tile.token[t] + tile.sums_offset + index * 4, h);
    dots[t] = typename Isa::Int{} - kEncoding.offset * sums[t];
    values[t] = tile.token[t] + index * kGroup + h * kWords * 4;
  }
  Isa::template dot<kEncoding, kWords>(group.weights + h * kWords, values, dots);
#pragma GCC unroll 8
  for (int t = 0; t < n_tokens; t++) {
    auto part = __builtin_convertvector(dots[t], typename Isa::Float) * group.scales[h];
    if constexpr (kEncoding.has_minimums) part -= group.minimums[h] * static_cast<float>(sums[t]);
    totals[t] = h == 0 ? part : totals[t] + part;
  }
}

// panel_sums[t] += the chunk . token first + t.
template <class Format, int n_tokens>
void multiply_tile(const MatmulArgs& args, const PanelChunk<Format>& chunk, int64_t first,
                   typename Format::Isa::Float* panel_sums) {
  using Float = typename Format::Isa::Float;
  const auto cols = static_cast<size_t>(args.cols);
  TokenTile<n_tokens> tile{{}, q8_scales_offset(cols), q8_sums_offset(cols)};
  Float sums[n_tokens];
#pragma GCC unroll 8
  for (int t = 0; t < n_tokens; t++) {
    tile.token[t] = args.activations + static_cast<size_t>(first + t) * args.activation_bytes;
    sums[t] = panel_sums[t];
  }
  for (int g = 0; g < chunk.n_groups; g++) {
    const size_t index = chunk.first + static_cast<size_t>(g);
    Float totals[n_tokens];
#pragma GCC unroll 2
    for (int h = 0; h < Format::kScales; h++)
      multiply_part(chunk.groups[g], tile, index, h, totals);
#pragma GCC unroll 8
    for (int t = 0; t < n_tokens; t++)
      sums[t] += totals[t] * load<float>(tile.token[t] + tile.scales_offset + index * sizeof(float));
  }
#pragma GCC unroll 8
  for (int t = 0; t < n_tokens; t++)
    panel_sums[t] = sums[t];
}

// All tokens in tiles of tile_tokens, what is left of them in smaller ones.
template <class Format, int tile_tokens>
void multiply_tiles(const MatmulArgs& args, const PanelChunk<Format>& chunk, int64_t first, int64_t n_tokens,
                    typename Format::Isa::Float* panel_sums) {
  int64_t t = 0;
  for (; t + tile_tokens <= n_tokens; t += tile_tokens)
    multiply_tile<Format, tile_tokens>(args, chunk, first + t, panel_sums + t);
  if constexpr (tile_tokens > 1)
    multiply_tiles<Format, tile_tokens / 2>(args, chunk, first + t, n_tokens - t, panel_sums + t);
}

// The panel that begins at first_row, times n_tokens <= kTokenBatch tokens.
template <class Format>
void multiply_panel(const MatmulArgs& args, int64_t first_row, int64_t first_token, int64_t n_tokens) {
  using Isa = typename Format::Isa;
  const PanelRows<Isa> rows(args, first_row);
  typename Isa::Float sums[kTokenBatch];
  std::fill_n(sums, n_tokens, typename Isa::Float{});
  PanelChunk<Format> chunk;
  size_t block = 0;
  for (int64_t group = 0; group < args.cols / kGroup; group += kChunkGroups) {
    chunk.first = static_cast<size_t>(group);
    chunk.n_groups = static_cast<int>(std::min<int64_t>(kChunkGroups, args.cols / kGroup - group));
    for (int g = 0; g < chunk.n_groups; g += Format::kGroups, block += Format::kBlockBytes)
      Format::unpack(rows, block, chunk.groups + g);
    multiply_tiles<Format, Isa::kTokenTile>(args, chunk, first_token, n_tokens, sums);
  }
  const int64_t n_stored = std::min<int64_t>(Isa::kRows, args.n_rows - first_row);
  for (int64_t t = 0; t < n_tokens; t++) {
    std::memcpy(args.out + (first_token + t) * args.out_stride + first_row, &sums[t],
                static_cast<size_t>(n_stored) * sizeof(float));
  }
}

template <class Format>
void multiply(const MatmulArgs& args) {
  for (int64_t t = 0; t < args.n_tokens; t += kTokenBatch) {
    for (int64_t r = 0; r < args.n_rows; r += Format::Isa::kRows)
      multiply_panel<Format>(args, r, t, std::min(kTokenBatch, args.n_tokens - t));
  }
}

}  // namespace flexinfer::simd
