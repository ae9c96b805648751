// The tile registers of AMX: eight of up to 16 rows of 64 bytes, and products of whole tiles of bytes. A
// thread says what shapes they have before it uses them.
//
// Instructions are named here and not by the compiler's intrinsics: those of GCC 12 do not tell it that a
// load reads memory.
#pragma once

#include <cstddef>
#include <cstdint>

namespace flexinfer::amx {

inline constexpr int kTiles = 8;

// As the instruction that sets the shapes reads them (Intel 64 and IA-32 Software Developer's Manual,
// LDTILECFG).
struct alignas(64) TileShapes {
  uint8_t palette = 1;
  uint8_t first_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};

  constexpr void set(int tile, int n_rows, int n_bytes) {
    rows[tile] = static_cast<uint8_t>(n_rows);
    row_bytes[tile] = static_cast<uint16_t>(n_bytes);
  }
};

// Clears all tiles.
[[gnu::always_inline]] inline void set_shapes(const TileShapes& shapes) {
  asm volatile("ldtilecfg %0" ::"m"(shapes));
}
// A thread that keeps tiles makes every switch to another one dearer.
[[gnu::always_inline]] inline void release_tiles() {
  asm volatile("tilerelease");
}

template <int tile>
[[gnu::always_inline]] inline void clear() {
  static_assert(tile < kTiles);
  asm volatile("tilezero %%tmm%c0" ::"i"(tile));
}

// Rows lie `stride` bytes apart.
template <int tile>
[[gnu::always_inline]] inline void load_tile(const void* from, size_t stride) {
  static_assert(tile < kTiles);
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(stride), "i"(tile) : "memory");
}
template <int tile>
[[gnu::always_inline]] inline void store_tile(void* to, size_t stride) {
  static_assert(tile < kTiles);
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(stride), "i"(tile) : "memory");
}

// 32-bit sums[i][j] += the products of the signed bytes in row i of a and in column j of b, whose every row
// holds four bytes of each column.
template <int sums, int a, int b>
[[gnu::always_inline]] inline void add_products() {
  static_assert(sums < kTiles && a < kTiles && b < kTiles);
  asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(sums), "i"(a), "i"(b));
}

}  // namespace flexinfer::amx
