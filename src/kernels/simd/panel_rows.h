// The rows of quantised weights that are multiplied at once: one for each 32-bit lane of a vector.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "kernels/kernel_table.h"

namespace flexinfer::simd {

template <class Number, int n>
struct VectorOf {
  typedef Number Type __attribute__((vector_size(n * sizeof(Number))));
};

// Vectors of one number for each of n_rows rows, a multiple of four.
template <int n_rows>
struct Lanes {
  static constexpr int kRows = n_rows;
  static constexpr int kTileVectors = 1;
  static constexpr int kDotWords = 8;
  using Word = typename VectorOf<uint32_t, n_rows>::Type;
  using Int = typename VectorOf<int32_t, n_rows>::Type;
  using Float = typename VectorOf<float, n_rows>::Type;
  using Halves = typename VectorOf<uint16_t, n_rows>::Type;
};

// Rows that are multiplied at once.
template <class Isa>
inline constexpr int64_t kPanelRows = Isa::kTileVectors* Isa::kRows;

template <class Value>
[[gnu::always_inline]] inline Value load(const std::byte* from) {
  Value value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// The same place in each row of a vector. A pointer for every four rows and the four distances from it: few
// enough to stay in registers, where a pointer for each row would not.
template <class Isa>
class RowPointers {
 public:
  static constexpr int kQuads = Isa::kRows / 4;

  // quads[i] is row 4 * i.
  RowPointers(const std::byte* const (&quads)[kQuads], size_t row_bytes)
      : distances_{0, row_bytes, 2 * row_bytes, 3 * row_bytes} {
    for (int i = 0; i < kQuads; i++)
      quads_[i] = quads[i];
  }

  [[gnu::always_inline]] const std::byte* operator[](int row) const {
    return quads_[row / 4] + distances_[row % 4];
  }

  [[gnu::always_inline]] void advance(size_t n_bytes) {
    for (size_t& distance : distances_)
      distance += n_bytes;
  }

 private:
  const std::byte* quads_[kQuads];
  size_t distances_[4];
};

// A vector of rows, from the block that comes next on. Where the matrix ends within it, its last four rows
// are repeated, and where it has but one row that one.
template <class InstructionSet>
class PanelRows {
 public:
  using Isa = InstructionSet;
  static constexpr RowLayout kLayout = RowLayout::kStored;
  using Pointers = RowPointers<Isa>;

  // The rows from `first` on. `ahead` rows further on, as much is asked of memory as is read here.
  PanelRows(const MatmulArgs& args, int64_t first, int64_t ahead)
      : rows_(pointers(args, first)), next_(row_at(args, first + ahead)) {}

  // The row in the first lane of four.
  static int64_t row_of_quad(const MatmulArgs& args, int64_t first, int quad) {
    return std::min(first + 4 * quad, std::max<int64_t>(args.n_rows - 4, 0));
  }

  [[gnu::always_inline]] void advance(size_t n_bytes) {
    rows_.advance(n_bytes);
    next_ += n_bytes * Isa::kRows;
  }

  // Whatever is read asks for what comes.
  [[gnu::always_inline]] void ask_for_line(size_t) const {}

  // 16 bytes at `offset` of each row as four columns: column i holds the bytes from 4 * i on.
  [[gnu::always_inline]] void load_columns(size_t offset, typename Isa::Word* columns) const {
    prefetch(offset, 16);
    const std::byte* rows[Isa::kRows];
    point_at_rows(rows);
    Isa::load_columns(rows, offset, columns);
  }

  // 32 bytes as eight columns.
  [[gnu::always_inline]] void load_eight_columns(size_t offset, typename Isa::Word* columns) const {
    const std::byte* rows[Isa::kRows];
    if constexpr (requires { Isa::load_eight_columns(rows, offset, columns); }) {
      prefetch(offset, 32);
      point_at_rows(rows);
      Isa::load_eight_columns(rows, offset, columns);
    } else {
      load_columns(offset, columns);
      load_columns(offset + 16, columns + 4);
    }
  }

  [[gnu::always_inline]] typename Isa::Word load_words(size_t offset) const {
    return gather<typename Isa::Word, uint32_t>(offset, std::make_index_sequence<Isa::kRows>());
  }

  // One byte of each row.
  [[gnu::always_inline]] typename Isa::Word load_bytes(size_t offset) const {
    return gather<typename Isa::Word, uint8_t>(offset, std::make_index_sequence<Isa::kRows>());
  }

  // The first half of 16 bytes that may be read.
  [[gnu::always_inline]] typename Isa::Float load_first_halves(size_t offset) const {
    const std::byte* rows[Isa::kRows];
    if constexpr (requires { Isa::load_first_halves(rows, offset); }) {
      prefetch(offset, sizeof(uint16_t));
      point_at_rows(rows);
      return Isa::half_to_float(Isa::load_first_halves(rows, offset));
    } else {
      return load_halves(offset);
    }
  }

  [[gnu::always_inline]] typename Isa::Float load_halves(size_t offset) const {
    return Isa::half_to_float(
        gather<typename Isa::Halves, uint16_t>(offset, std::make_index_sequence<Isa::kRows>()));
  }

 private:
  [[gnu::always_inline]] void point_at_rows(const std::byte* (&rows)[Isa::kRows]) const {
#pragma GCC unroll 16
    for (int r = 0; r < Isa::kRows; r++)
      rows[r] = rows_[r];
  }

  static const std::byte* row_at(const MatmulArgs& args, int64_t row) {
    return args.weights + static_cast<size_t>(std::min(row, args.n_rows)) * args.row_bytes;
  }

  static Pointers pointers(const MatmulArgs& args, int64_t first) {
    const std::byte* quads[Pointers::kQuads];
    for (int quad = 0; quad < Pointers::kQuads; quad++)
      quads[quad] = row_at(args, row_of_quad(args, first, quad));
    return Pointers(quads, args.n_rows == 1 ? 0 : args.row_bytes);
  }

  template <class Vector, class Value, size_t... r>
  [[gnu::always_inline]] Vector gather(size_t offset, std::index_sequence<r...>) const {
    prefetch(offset, sizeof(Value));
    return Vector{load<Value>(rows_[r] + offset)...};
  }

  // Asks for as much of the rows ahead as is read of these, in the order of its bytes: processors follow one
  // stream of reads far better than one for each row. Past the end of the matrix this does no harm.
  [[gnu::always_inline]] void prefetch(size_t offset, size_t n_bytes) const {
    for (size_t i = 0; i < n_bytes * Isa::kRows; i += 64)
      __builtin_prefetch(next_ + offset * Isa::kRows + i, 0, 2);
  }

  Pointers rows_;
  const std::byte* next_;  // in the order of bytes, as far beyond the rows ahead as the pointers are here
};

}  // namespace flexinfer::simd
