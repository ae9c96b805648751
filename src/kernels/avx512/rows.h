// Rows of weights or of a cache as vectors of 16 floats, one struct per type. Rows lie at any address.
//   load(row, col, lanes)   the elements from column `col` on
//   bytes(cols)             the length of a row of a cache
#pragma once

#include "kernels/avx512/vector.h"

namespace flexinfer::avx512 {

struct F32Row {
  static size_t bytes(int64_t cols) { return static_cast<size_t>(cols) * 4; }
  static __m512 load(const std::byte* row, int64_t col, AllLanes) { return _mm512_loadu_ps(row + col * 4); }
  static __m512 load(const std::byte* row, int64_t col, FirstLanes lanes) {
    return _mm512_maskz_loadu_ps(lanes.mask, row + col * 4);
  }
};

// 16 elements of 16 bits. Lanes beyond the row read as zero and are not written.
inline __m256i load_16(const std::byte* from, AllLanes) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
}
inline __m256i load_16(const std::byte* from, FirstLanes lanes) {
  return _mm256_maskz_loadu_epi16(lanes.mask, from);
}
inline void store_16(std::byte* to, __m256i value, AllLanes) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), value);
}
inline void store_16(std::byte* to, __m256i value, FirstLanes lanes) {
  _mm256_mask_storeu_epi16(to, lanes.mask, value);
}

struct F16Row {
  static size_t bytes(int64_t cols) { return static_cast<size_t>(cols) * 2; }

  template <class Lanes>
  static __m512 load(const std::byte* row, int64_t col, Lanes lanes) {
    return _mm512_cvtph_ps(load_16(row + col * 2, lanes));
  }
};

struct BF16Row {
  template <class Lanes>
  static __m512 load(const std::byte* row, int64_t col, Lanes lanes) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(load_16(row + col * 2, lanes)), 16));
  }
};

// ggml's blocks of a half and 32 signed bytes. A vector is half a block, so there are no lanes beyond a row.
struct Q8_0Row {
  static constexpr int64_t kBlockElements = 32;
  static constexpr int64_t kBlockBytes = 34;

  static size_t bytes(int64_t cols) { return static_cast<size_t>(cols / kBlockElements * kBlockBytes); }

  template <class Lanes>
  static __m512 load(const std::byte* row, int64_t col, Lanes) {
    const std::byte* block = row + col / kBlockElements * kBlockBytes;
    const __m128i quants =
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(block + 2 + col % kBlockElements));
    uint16_t scale;
    __builtin_memcpy(&scale, block, sizeof scale);
    return _mm512_mul_ps(_mm512_set1_ps(_cvtsh_ss(scale)), _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(quants)));
  }
};

}  // namespace flexinfer::avx512
