#include "kernels/avx2/elementwise.h"

#include "kernels/avx2/quantise.h"
#include "kernels/avx2/vector.h"

namespace flexinfer::avx2 {
namespace {

int16_t sum_of_integers(__m256i low, __m256i high) {
  const __m256i eight = _mm256_add_epi32(low, high);
  const __m128i four = _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
  const __m128i two = _mm_add_epi32(four, _mm_unpackhi_epi64(four, four));
  return static_cast<int16_t>(_mm_cvtsi128_si32(_mm_add_epi32(two, _mm_srli_epi64(two, 32))));
}

}  // namespace

void quantise_row(const float* in, int64_t cols, Q8Row out) {
  for (int64_t col = 0; col < cols; col += kActivationBlock) {
    const QuantisedBlock block = quantise_block(in + col);
    out.scales[col / kActivationBlock] = block.scale;
    out.sums[col / kActivationSumBlock] = sum_of_integers(block.quants[0], block.quants[1]);
    out.sums[col / kActivationSumBlock + 1] = sum_of_integers(block.quants[2], block.quants[3]);
    store_quants(block, out.values + col);
  }
}

void rms_norm(const float* in, const float* weight, int64_t n, float epsilon, float* out) {
  DoubleSum squares;
  for_each_vector(n, [&](int64_t i, auto lanes) { squares.add_squares(load(in + i, lanes)); });
  const double mean = squares.total() / static_cast<double>(n);
  const __m256 scale = _mm256_set1_ps(static_cast<float>(1.0 / __builtin_sqrt(mean + epsilon)));
  for_each_vector(n, [&](int64_t i, auto lanes) {
    const __m256 scaled = _mm256_mul_ps(load(in + i, lanes), scale);
    store(out + i, _mm256_mul_ps(scaled, load(weight + i, lanes)), lanes);
  });
}

void softmax(float* x, int64_t n) {
  const __m256 lowest = _mm256_set1_ps(-__builtin_inff());
  __m256 greatest = lowest;
  for_each_vector(n, [&](int64_t i, auto lanes) {
    greatest = _mm256_max_ps(greatest, fill_rest(load(x + i, lanes), lowest, lanes));
  });
  greatest = _mm256_set1_ps(greatest_lane(greatest));
  DoubleSum sum;
  for_each_vector(n, [&](int64_t i, auto lanes) {
    const __m256 power = exponential(_mm256_sub_ps(load(x + i, lanes), greatest));
    store(x + i, power, lanes);
    sum.add(fill_rest(power, _mm256_setzero_ps(), lanes));
  });
  const __m256 inverse = _mm256_set1_ps(static_cast<float>(1.0 / sum.total()));
  for_each_vector(
      n, [&](int64_t i, auto lanes) { store(x + i, _mm256_mul_ps(load(x + i, lanes), inverse), lanes); });
}

void silu_multiply(const float* gate, const float* up, int64_t n, float* out) {
  const __m256 one = _mm256_set1_ps(1.0f);
  for_each_vector(n, [&](int64_t i, auto lanes) {
    const __m256 x = load(gate + i, lanes);
    const __m256 power = exponential(_mm256_sub_ps(_mm256_setzero_ps(), x));
    const __m256 silu = _mm256_div_ps(x, _mm256_add_ps(one, power));
    store(out + i, _mm256_mul_ps(silu, load(up + i, lanes)), lanes);
  });
}

void add(const float* y, int64_t n, float* x) {
  for_each_vector(n, [&](int64_t i, auto lanes) {
    store(x + i, _mm256_add_ps(load(x + i, lanes), load(y + i, lanes)), lanes);
  });
}

void rope_adjacent(float* x, const float* cosines, const float* sines, int64_t n_pairs) {
  const __m256i pair = _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3);
  for (int64_t i = 0; i < n_pairs; i += kLanes / 2) {
    const int64_t n = n_pairs - i < kLanes / 2 ? n_pairs - i : kLanes / 2;
    const __m256 cosine = _mm256_permutevar8x32_ps(load(cosines + i, FirstLanes{n}), pair);
    const __m256 sine = _mm256_permutevar8x32_ps(load(sines + i, FirstLanes{n}), pair);
    const __m256 both = load(x + 2 * i, FirstLanes{2 * n});
    const __m256 swapped = _mm256_permute_ps(both, 0xb1);  // each pair the other way round
    store(x + 2 * i, _mm256_fmaddsub_ps(both, cosine, _mm256_mul_ps(swapped, sine)), FirstLanes{2 * n});
  }
}

}  // namespace flexinfer::avx2
