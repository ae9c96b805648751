// Rows of weights or of a cache as vectors of 8 floats, one struct per type. Rows lie at any address.
//   load(row, col, lanes)   the elements from column `col` on
//   bytes(cols)             the length of a row of a cache
#pragma once

#include "kernels/avx2/vector.h"

namespace flexinfer::avx2 {

struct F32Row {
  static size_t bytes(int64_t cols) { return static_cast<size_t>(cols) * 4; }

  template <class Lanes>
  static __m256 load(const std::byte* row, int64_t col, Lanes lanes) {
    return avx2::load(reinterpret_cast<const float*>(row + col * 4), lanes);
  }
};

// 8 elements of 16 bits. Lanes beyond the row read as zero and are not written.
inline __m128i load_16(const std::byte* from, AllLanes) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
}
inline __m128i load_16(const std::byte* from, FirstLanes lanes) {
  __m128i value = _mm_setzero_si128();
  __builtin_memcpy(&value, from, static_cast<size_t>(lanes.n) * 2);
  return value;
}
inline void store_16(std::byte* to, __m128i value, AllLanes) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), value);
}
inline void store_16(std::byte* to, __m128i value, FirstLanes lanes) {
  __builtin_memcpy(to, &value, static_cast<size_t>(lanes.n) * 2);
}

struct F16Row {
  static size_t bytes(int64_t cols) { return static_cast<size_t>(cols) * 2; }

  template <class Lanes>
  static __m256 load(const std::byte* row, int64_t col, Lanes lanes) {
    return _mm256_cvtph_ps(load_16(row + col * 2, lanes));
  }
};

struct BF16Row {
  template <class Lanes>
  static __m256 load(const std::byte* row, int64_t col, Lanes lanes) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load_16(row + col * 2, lanes)), 16));
  }
};

// ggml's blocks of a half and 32 signed bytes. A vector is a quarter of a block, so there are no lanes beyond
// a row.
struct Q8_0Row {
  static constexpr int64_t kBlockElements = 32;
  static constexpr int64_t kBlockBytes = 34;

  static size_t bytes(int64_t cols) { return static_cast<size_t>(cols / kBlockElements * kBlockBytes); }

  template <class Lanes>
  static __m256 load(const std::byte* row, int64_t col, Lanes) {
    const std::byte* block = row + col / kBlockElements * kBlockBytes;
    const __m128i quants = _mm_loadu_si64(block + 2 + col % kBlockElements);
    uint16_t scale;
    __builtin_memcpy(&scale, block, sizeof scale);
    return _mm256_mul_ps(_mm256_set1_ps(_cvtsh_ss(scale)), _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(quants)));
  }
};

}  // namespace flexinfer::avx2
