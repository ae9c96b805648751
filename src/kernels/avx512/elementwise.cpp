#include "kernels/avx512/elementwise.h"

#include "kernels/avx512/quantise.h"
#include "kernels/avx512/vector.h"

namespace flexinfer::avx512 {

void quantise_row(const float* in, int64_t cols, Q8Row out) {
  for (int64_t col = 0; col < cols; col += kActivationBlock) {
    const QuantisedBlock block = quantise_block(in + col);
    out.scales[col / kActivationBlock] = block.scale;
    out.sums[col / kActivationSumBlock] = static_cast<int16_t>(_mm512_reduce_add_epi32(block.low));
    out.sums[col / kActivationSumBlock + 1] = static_cast<int16_t>(_mm512_reduce_add_epi32(block.high));
    store_quants(block, out.values + col);
  }
}

void rms_norm(const float* in, const float* weight, int64_t n, float epsilon, float* out) {
  DoubleSum squares;
  for_each_vector(n, [&](int64_t i, auto lanes) { squares.add_squares(load(in + i, lanes)); });
  const double mean = squares.total() / static_cast<double>(n);
  const __m512 scale = _mm512_set1_ps(static_cast<float>(1.0 / __builtin_sqrt(mean + epsilon)));
  for_each_vector(n, [&](int64_t i, auto lanes) {
    const __m512 scaled = _mm512_mul_ps(load(in + i, lanes), scale);
    store(out + i, _mm512_mul_ps(scaled, load(weight + i, lanes)), lanes);
  });
}

void softmax(float* x, int64_t n) {
  const __m512 lowest = _mm512_set1_ps(-__builtin_inff());
  __m512 greatest = lowest;
  for_each_vector(n, [&](int64_t i, auto lanes) {
    greatest = _mm512_max_ps(greatest, fill_rest(load(x + i, lanes), lowest, lanes));
  });
  greatest = _mm512_set1_ps(_mm512_reduce_max_ps(greatest));
  DoubleSum sum;
  for_each_vector(n, [&](int64_t i, auto lanes) {
    const __m512 power = exponential(_mm512_sub_ps(load(x + i, lanes), greatest));
    store(x + i, power, lanes);
    sum.add(fill_rest(power, _mm512_setzero_ps(), lanes));
  });
  const __m512 inverse = _mm512_set1_ps(static_cast<float>(1.0 / sum.total()));
  for_each_vector(
      n, [&](int64_t i, auto lanes) { store(x + i, _mm512_mul_ps(load(x + i, lanes), inverse), lanes); });
}

void silu_multiply(const float* gate, const float* up, int64_t n, float* out) {
  const __m512 one = _mm512_set1_ps(1.0f);
  for_each_vector(n, [&](int64_t i, auto lanes) {
    const __m512 x = load(gate + i, lanes);
    const __m512 power = exponential(_mm512_sub_ps(_mm512_setzero_ps(), x));
    const __m512 silu = _mm512_div_ps(x, _mm512_add_ps(one, power));
    store(out + i, _mm512_mul_ps(silu, load(up + i, lanes)), lanes);
  });
}

void add(const float* y, int64_t n, float* x) {
  for_each_vector(n, [&](int64_t i, auto lanes) {
    store(x + i, _mm512_add_ps(load(x + i, lanes), load(y + i, lanes)), lanes);
  });
}

void rope_adjacent(float* x, const float* cosines, const float* sines, int64_t n_pairs) {
  const __m512i pair = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
  for (int64_t i = 0; i < n_pairs; i += kLanes / 2) {
    const int64_t n = n_pairs - i < kLanes / 2 ? n_pairs - i : kLanes / 2;
    const __m512 cosine = _mm512_permutexvar_ps(pair, load(cosines + i, FirstLanes{n}));
    const __m512 sine = _mm512_permutexvar_ps(pair, load(sines + i, FirstLanes{n}));
    const __m512 both = load(x + 2 * i, FirstLanes{2 * n});
    const __m512 swapped = _mm512_permute_ps(both, 0xb1);  // each pair the other way round
    store(x + 2 * i, _mm512_fmaddsub_ps(both, cosine, _mm512_mul_ps(swapped, sine)), FirstLanes{2 * n});
  }
}

}  // namespace flexinfer::avx512
