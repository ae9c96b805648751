// Matrix products of quantised weights: matmul_quant_panel.h says how, and in which order.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "kernels/kernel_table.h"
#include "kernels/simd/interleaved_rows.h"
#include "kernels/simd/matmul_quant_few.h"
#include "kernels/simd/matmul_quant_many.h"
#include "kernels/simd/panel_rows.h"

namespace flexinfer::simd {

// Calls fn(first row, number of vectors as a constant) for all rows, a panel at a time. Interleaved rows are
// whole panels.
template <class Rows, class Fn>
void for_each_panel(int64_t n_rows, Fn fn) {
  using Isa = typename Rows::Isa;
  int64_t row = 0;
  for (; n_rows - row > kPanelRows<Isa> - Isa::kRows; row += kPanelRows<Isa>)
    fn(row, std::integral_constant<int, Isa::kTileVectors>());
  if constexpr (Rows::kLayout == RowLayout::kStored) {
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
  static_assert(kTokenBatch % Rows::Isa::kTokenTile == 0);
  for (int64_t t = 0; t < args.n_tokens; t += kTokenBatch) {
    const int64_t n_tokens = std::min(kTokenBatch, args.n_tokens - t);
    for_each_panel<Rows>(args.n_rows, [&](int64_t row, auto n_vectors) {
      multiply_panel<Format, Rows, n_vectors>(args, row, t, n_tokens);
    });
  }
}

// Calls fn(the part of args, what reads its rows as a type) for the panels of interleaved rows and for the
// rows as in the file. Two or three of these are too few for the four that are reached at once, and go one by
// one.
template <class Isa, class Fn>
void for_each_part(MatmulArgs args, Fn fn) {
  const auto take = [&args](int64_t n_rows) {
    MatmulArgs part = args;
    part.n_rows = n_rows;
    args.n_rows -= n_rows;
    args.weights += static_cast<size_t>(n_rows) * args.row_bytes;
    args.out += n_rows;
    return part;
  };
  if (args.layout == RowLayout::kInterleaved)
    fn(take(args.n_rows / kPanelRows<Isa> * kPanelRows<Isa>), std::type_identity<InterleavedRows<Isa>>());
  while (args.n_rows > 0)
    fn(take(args.n_rows > 3 ? args.n_rows : 1), std::type_identity<PanelRows<Isa>>());
}

// The most tokens whose weights are multiplied as they are unpacked. Of rows that stream only one token has a
// way of its own: a disk bounds their speed. Sums of two parts to the group are too many for the registers of
// eight tokens.
template <class Format>
constexpr int most_once(RowLayout layout) {
  if (layout == RowLayout::kStored) return 1;
  return Format::kScales == 1 ? 8 : 4;
}

template <class Format, class Rows>
void multiply_part(const MatmulArgs& args) {
  constexpr int kMostOnce = most_once<Format>(Rows::kLayout);
  if (args.n_tokens > kMostOnce) return multiply_batches<Format, Rows>(args);
  if (args.n_tokens > 4) return multiply_once<Format, Rows, kMostOnce>(args);
  if (args.n_tokens > 2) return multiply_once<Format, Rows, std::min(kMostOnce, 4)>(args);
  if (args.n_tokens > 1) return multiply_once<Format, Rows, std::min(kMostOnce, 2)>(args);
  multiply_once<Format, Rows, 1>(args);
}

// As MatmulArgs says, for weights of the type of Format.
template <class Format>
void multiply(const MatmulArgs& args) {
  if (args.n_tokens < 1) return;
  for_each_part<typename Format::Isa>(args, [](const MatmulArgs& part, auto rows) {
    multiply_part<Format, typename decltype(rows)::type>(part);
  });
}

// The same by the way of many tokens.
template <class Format>
void multiply_many(const MatmulArgs& args) {
  for_each_part<typename Format::Isa>(args, [](const MatmulArgs& part, auto rows) {
    multiply_batches<Format, typename decltype(rows)::type>(part);
  });
}

}  // namespace flexinfer::simd
