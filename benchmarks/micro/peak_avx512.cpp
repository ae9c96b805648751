#include <immintrin.h>

#include "micro/peak_x86.h"

namespace flexinfer {
namespace {

double multiply_bytes(int n) {
  const auto x = unknown_zero<__m512i>();
  return 64.0 *
         run_chains<__m512i>(
             n, [&](__m512i sum) __attribute__((always_inline)) { return _mm512_dpbusd_epi32(sum, x, x); });
}

double multiply_floats(int n) {
  const auto x = unknown_zero<__m512>();
  return 16.0 * run_chains<__m512>(
                    n, [&](__m512 sum) __attribute__((always_inline)) { return _mm512_fmadd_ps(x, x, sum); });
}

}  // namespace

const PeakLoops kPeakLoopsAvx512 = {multiply_bytes, multiply_floats};

}  // namespace flexinfer
