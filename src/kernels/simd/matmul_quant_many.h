// The product of quantised weights and many tokens: a chunk of groups is unpacked once and multiplied by
// tiles of tokens while it is in the first cache.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "kernels/kernel_table.h"
#include "kernels/simd/ask_ahead.h"
#include "kernels/simd/matmul_quant_panel.h"

namespace flexinfer::simd {

inline constexpr int64_t kTokenBatch = 132;  // whole tiles that share an unpacking: sums stay in the cache

// Some groups of a panel, unpacked.
template <class Format, int n_vectors>
struct PanelChunk {
  PanelGroup<Format> groups[n_vectors][kChunkGroups];
  int n_groups;
  size_t first;  // where in the row the groups begin, counted in groups; a multiple of kChunkGroups
  bool is_last;  // of the rows
  int64_t first_row;
};

// What the next chunk is unpacked from. It is asked for a few lines at a time while this one is multiplied:
// requests that come at once stand in the way of loads.
class LinesAhead {
 public:
  LinesAhead() = default;
  // In n_steps shares, at least.
  LinesAhead(const std::byte* begin, size_t n_bytes, size_t n_steps)
      : next_(begin), end_(begin + n_bytes), step_bytes_((n_bytes / kLine / n_steps + 1) * kLine) {}

  [[gnu::always_inline]] void ask_for_share() {
    if (next_ >= end_) return;
    ask_for(next_, step_bytes_);
    next_ += step_bytes_;
  }

 private:
  const std::byte* next_ = nullptr;
  const std::byte* end_ = nullptr;
  size_t step_bytes_ = 0;
};

// The sums that n_tokens from `first` on have from the chunks before this one: none at first. What is written
// after the last one is asked for now: outputs of different tokens lie far apart.
template <class Format, int n_vectors, int tile_tokens>
[[gnu::always_inline]] inline void begin_tile(const MatmulArgs& args,
                                              const PanelChunk<Format, n_vectors>& chunk, int64_t first,
                                              int n_tokens,
                                              const typename Format::Isa::Float (*panel_sums)[n_vectors],
                                              typename Format::Isa::Float (&sums)[n_vectors][tile_tokens]) {
  for (int t = 0; chunk.is_last && t < n_tokens; t++)
    ask_to_write(args.out + (first + t) * args.out_stride + chunk.first_row, sizeof *panel_sums);
#pragma GCC unroll 16
  for (int t = 0; t < tile_tokens; t++) {
#pragma GCC unroll 8
    for (int v = 0; v < n_vectors; v++)
      sums[v][t] = chunk.first == 0 ? typename Format::Isa::Float{} : panel_sums[t][v];
  }
}

// Keeps the sums for the next chunk, or gives them out where there is none.
template <class Format, int n_vectors, int tile_tokens>
[[gnu::always_inline]] inline void end_tile(const MatmulArgs& args,
                                            const PanelChunk<Format, n_vectors>& chunk, int64_t first,
                                            int n_tokens,
                                            const typename Format::Isa::Float (&sums)[n_vectors][tile_tokens],
                                            typename Format::Isa::Float (*panel_sums)[n_vectors]) {
  using Isa = typename Format::Isa;
#pragma GCC unroll 16
  for (int t = 0; t < tile_tokens; t++) {
#pragma GCC unroll 8
    for (int v = 0; v < n_vectors; v++)
      panel_sums[t][v] = sums[v][t];
  }
  for (int t = 0; chunk.is_last && t < n_tokens; t++) {
    for (int v = 0; v < n_vectors; v++)
      store_rows<Isa>(args, chunk.first_row + v * Isa::kRows, first + t, panel_sums[t][v]);
  }
}

// sums[v][t] += the chunk . token first + t.
template <class Format, int n_vectors, int n_tokens>
void multiply_tile(const MatmulArgs& args, const PanelChunk<Format, n_vectors>& chunk, LinesAhead& ahead,
                   int64_t first, typename Format::Isa::Float (*panel_sums)[n_vectors]) {
  typename Format::Isa::Float sums[n_vectors][n_tokens];
  begin_tile(args, chunk, first, n_tokens, panel_sums, sums);
  TokenTile<Format, n_tokens> tile;
  load_tile(args, first, chunk.first, tile);
  for (int g = 0; g < chunk.n_groups; g++) {
    const PanelGroup<Format>* groups[n_vectors];
#pragma GCC unroll 8
    for (int v = 0; v < n_vectors; v++)
      groups[v] = &chunk.groups[v][g];
    ahead.ask_for_share();
    multiply_group<Format, n_vectors, n_tokens>(groups, tile, g, sums);
  }
  end_tile(args, chunk, first, n_tokens, sums, panel_sums);
}

// The blocks that come next in the rows, to n_groups groups.
template <class Format, class Rows>
[[gnu::always_inline]] inline void unpack_groups(Rows& rows, int n_groups, PanelGroup<Format>* groups) {
  for (int g = 0; g < n_groups; g += Format::kGroups) {
    const auto header = Format::read_header(rows);
#pragma GCC unroll 8
    for (int i = 0; i < Format::kGroups; i += Format::kStepGroups) {
      unpack_step<Format>(rows, header, i / Format::kStepGroups, groups + g + i);
    }
    rows.advance(Format::kBlockBytes);
  }
}

// All tokens in tiles of tile_tokens, what is left of them in smaller ones, whose tokens are a power of two.
template <class Format, int n_vectors, int tile_tokens>
void multiply_tiles(const MatmulArgs& args, const PanelChunk<Format, n_vectors>& chunk, LinesAhead& ahead,
                    int64_t first, int64_t n_tokens, typename Format::Isa::Float (*panel_sums)[n_vectors]) {
  int64_t t = 0;
  for (; t + tile_tokens <= n_tokens; t += tile_tokens)
    multiply_tile<Format, n_vectors, tile_tokens>(args, chunk, ahead, first + t, panel_sums + t);
  if constexpr (tile_tokens > 1)
    multiply_tiles<Format, n_vectors, std::bit_floor(tile_tokens - 1u)>(args, chunk, ahead, first + t,
                                                                        n_tokens - t, panel_sums + t);
}

// Multiplies the chunks of a panel, one after the other.
template <class Format, int n_vectors>
struct ChunkProducts {
  // sums[t] += the chunk . token first + t, for all n_tokens.
  void multiply(const MatmulArgs& args, const PanelChunk<Format, n_vectors>& chunk, LinesAhead ahead,
                int64_t first, int64_t n_tokens, typename Format::Isa::Float (*sums)[n_vectors]) {
    multiply_tiles<Format, n_vectors, Format::Isa::kTokenTile>(args, chunk, ahead, first, n_tokens, sums);
  }
};

template <class Format, int n_vectors>
auto chunk_products() {
  using Isa = typename Format::Isa;
  if constexpr (requires { typename Isa::template ChunkProducts<Format, n_vectors>; }) {
    return typename Isa::template ChunkProducts<Format, n_vectors>();
  } else {
    return ChunkProducts<Format, n_vectors>();
  }
}

// What the chunk that comes next in the rows is unpacked from, while this one is multiplied by n_tokens.
template <class Format, class Rows>
LinesAhead lines_ahead(const Rows& rows, int n_groups, int64_t n_tokens) {
  using Isa = typename Format::Isa;
  if constexpr (Rows::kLayout == RowLayout::kStored) {
    return {};  // whatever is read of them asks for what comes
  } else {
    const auto n_tiles = static_cast<size_t>((n_tokens + Isa::kTokenTile - 1) / Isa::kTokenTile);
    const auto n_blocks = static_cast<size_t>(n_groups / Format::kGroups);
    return {rows.next_block(), n_blocks * Format::kBlockBytes * static_cast<size_t>(kPanelRows<Isa>),
            n_tiles * static_cast<size_t>(n_groups)};
  }
}

// The panel that begins at first_row, times n_tokens <= kTokenBatch tokens.
template <class Format, class Rows, int n_vectors>
void multiply_panel(const MatmulArgs& args, int64_t first_row, int64_t first_token, int64_t n_tokens) {
  using Isa = typename Format::Isa;
  auto rows = panel_rows<Rows>(args, first_row, std::make_index_sequence<n_vectors>());
  auto products = chunk_products<Format, n_vectors>();
  typename Isa::Float sums[kTokenBatch][n_vectors];
  PanelChunk<Format, n_vectors> chunk;
  chunk.first_row = first_row;
  for (int64_t group = 0; group < args.cols / kGroup; group += kChunkGroups) {
    chunk.first = static_cast<size_t>(group);
    chunk.n_groups = static_cast<int>(std::min<int64_t>(kChunkGroups, args.cols / kGroup - group));
    chunk.is_last = group + kChunkGroups >= args.cols / kGroup;
    for (int v = 0; v < n_vectors; v++)
      unpack_groups<Format>(rows[static_cast<size_t>(v)], chunk.n_groups, chunk.groups[v]);
    const LinesAhead ahead = lines_ahead<Format>(rows[0], chunk.n_groups, n_tokens);
    products.multiply(args, chunk, ahead, first_token, n_tokens, sums);
  }
}

}  // namespace flexinfer::simd
