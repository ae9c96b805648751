// The product of quantised weights and the tokens of one tile: weights are multiplied as they are unpacked.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "kernels/kernel_table.h"
#include "kernels/simd/ask_ahead.h"
#include "kernels/simd/matmul_quant_panel.h"

namespace flexinfer::simd {

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

}  // namespace flexinfer::simd
