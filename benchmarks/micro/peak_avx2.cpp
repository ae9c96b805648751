#include <immintrin.h>

#include "micro/peak_x86.h"

namespace flexinfer {
namespace {

// Sums of products of bytes in 16 bits: without VNNI, 32 bits take a further instruction, not every time.
double multiply_bytes(int n) {
  const auto x = unknown_zero<__m256i>();
  return 32.0 * run_chains<__m256i>(
                    n, [&](__m256i sum) __attribute__((always_inline)) {
                      return _mm256_add_epi16(sum, _mm256_maddubs_epi16(x, sum));
                    });
}

double multiply_floats(int n) {
  const auto x = unknown_zero<__m256>();
  return 8.0 * run_chains<__m256>(
                   n, [&](__m256 sum) __attribute__((always_inline)) { return _mm256_fmadd_ps(x, x, sum); });
}

}  // namespace

const PeakLoops kPeakLoopsAvx2 = {multiply_bytes, multiply_floats};

}  // namespace flexinfer
