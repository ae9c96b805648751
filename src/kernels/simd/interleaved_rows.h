// A vector of rows of weights as kernels/interleave.h lays them out.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/simd/ask_ahead.h"
#include "kernels/simd/panel_rows.h"

namespace flexinfer::simd {

// Has the members of PanelRows.
template <class InstructionSet>
class InterleavedRows {
 public:
  using Isa = InstructionSet;
  static constexpr RowLayout kLayout = RowLayout::kInterleaved;

  InterleavedRows(const MatmulArgs& args, int64_t first, int64_t)
      : block_(args.weights + static_cast<size_t>(first / kRows * kRows) * args.row_bytes),
        row_(static_cast<size_t>(first % kRows)) {}

  [[gnu::always_inline]] void advance(size_t n_bytes) { block_ += n_bytes * kRows; }

  // Where the panel's block that comes next lies.
  const std::byte* next_block() const { return block_; }

  // Asks memory for the line at byte `offset` of the panel, from the block that comes next.
  [[gnu::always_inline]] void ask_for_line(size_t offset) const { ask_for(block_ + offset, kLine); }

  [[gnu::always_inline]] void load_columns(size_t offset, typename Isa::Word* columns) const {
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; i++)
      columns[i] = load_words(offset + 4 * i);
  }
  [[gnu::always_inline]] void load_eight_columns(size_t offset, typename Isa::Word* columns) const {
    load_columns(offset, columns);
    load_columns(offset + 16, columns + 4);
  }
  [[gnu::always_inline]] typename Isa::Word load_words(size_t offset) const {
    return load_units<typename Isa::Word>(offset);
  }
  [[gnu::always_inline]] typename Isa::Word load_bytes(size_t offset) const {
    using Bytes = typename VectorOf<uint8_t, Isa::kRows>::Type;
    return __builtin_convertvector(load_units<Bytes>(offset), typename Isa::Word);
  }
  [[gnu::always_inline]] typename Isa::Float load_first_halves(size_t offset) const {
    return load_halves(offset);
  }
  [[gnu::always_inline]] typename Isa::Float load_halves(size_t offset) const {
    return Isa::half_to_float(load_units<typename Isa::Halves>(offset));
  }

 private:
  static constexpr int64_t kRows = kPanelRows<Isa>;

  template <class Units>
  [[gnu::always_inline]] Units load_units(size_t offset) const {
    return load<Units>(block_ + offset * kRows + row_ * (sizeof(Units) / Isa::kRows));
  }

  const std::byte* block_;  // the panel's that comes next
  size_t row_;              // of the panel: the vector's first
};

}  // namespace flexinfer::simd
