#include "kernels/avx512/attention.h"

#include "kernels/avx512/float_product.h"
#include "kernels/avx512/quantise.h"

namespace flexinfer::avx512 {
namespace {

constexpr int kColumnTile = 4;  // vectors of sums held in registers: independent, to cover the latency

template <class Row>
void scores_of(const float* q, const std::byte* keys, int64_t n, int64_t head_dim, float scale,
               float* scores) {
  multiply<Row>({.weights = keys,
                 .row_bytes = Row::bytes(head_dim),
                 .n_rows = n,
                 .cols = head_dim,
                 .activations = reinterpret_cast<const std::byte*>(q),
                 .activation_bytes = 0,
                 .n_tokens = 1,
                 .out = scores,
                 .out_stride = 0});
  const __m512 factor = _mm512_set1_ps(scale);
  for_each_vector(n, [&](int64_t p, auto lanes) {
    store(scores + p, _mm512_mul_ps(load(scores + p, lanes), factor), lanes);
  });
}

// The columns of kVectors vectors from `col` on, summed over all positions.
template <class Row, int kVectors, class Lanes>
void sum_columns(const float* weights, const std::byte* values, size_t row_bytes, int64_t n, int64_t col,
                 Lanes lanes, float* out) {
  __m512 sums[kVectors];
  for (__m512& sum : sums)
    sum = _mm512_setzero_ps();
  for (int64_t p = 0; p < n; p++) {
    const std::byte* row = values + static_cast<size_t>(p) * row_bytes;
    const __m512 weight = _mm512_set1_ps(weights[p]);
    for (int v = 0; v < kVectors; v++) {
      sums[v] = _mm512_fmadd_ps(weight, Row::load(row, col + v * kLanes, lanes), sums[v]);
    }
  }
  for (int v = 0; v < kVectors; v++)
    store(out + col + v * kLanes, sums[v], lanes);
}

template <class Row>
void values_of(const float* weights, const std::byte* values, int64_t n, int64_t head_dim, float* out) {
  const size_t row_bytes = Row::bytes(head_dim);
  int64_t col = 0;
  for (; col + kColumnTile * kLanes <= head_dim; col += kColumnTile * kLanes) {
    sum_columns<Row, kColumnTile>(weights, values, row_bytes, n, col, AllLanes{}, out);
  }
  for_each_vector(head_dim - col, [&](int64_t i, auto lanes) {
    sum_columns<Row, 1>(weights, values, row_bytes, n, col + i, lanes, out);
  });
}

}  // namespace

void cache_store_f32(const float* in, std::byte* out, int64_t head_dim) {
  __builtin_memcpy(out, in, static_cast<size_t>(head_dim) * 4);
}

void cache_store_f16(const float* in, std::byte* out, int64_t head_dim) {
  for_each_vector(head_dim, [&](int64_t i, auto lanes) {
    store_16(out + i * 2, _mm512_cvtps_ph(load(in + i, lanes), _MM_FROUND_TO_NEAREST_INT), lanes);
  });
}

void cache_store_q8_0(const float* in, std::byte* out, int64_t head_dim) {
  for (int64_t i = 0; i < head_dim; i += Q8_0Row::kBlockElements) {
    const QuantisedBlock block = quantise_block(in + i);
    const auto scale = static_cast<uint16_t>(_cvtss_sh(block.scale, _MM_FROUND_TO_NEAREST_INT));
    __builtin_memcpy(out, &scale, sizeof scale);
    store_quants(block, out + sizeof scale);
    out += Q8_0Row::kBlockBytes;
  }
}

void attention_scores_f32(const float* q, const std::byte* keys, int64_t n, int64_t head_dim, float scale,
                          float* scores) {
  scores_of<F32Row>(q, keys, n, head_dim, scale, scores);
}

void attention_scores_f16(const float* q, const std::byte* keys, int64_t n, int64_t head_dim, float scale,
                          float* scores) {
  scores_of<F16Row>(q, keys, n, head_dim, scale, scores);
}

void attention_scores_q8_0(const float* q, const std::byte* keys, int64_t n, int64_t head_dim, float scale,
                           float* scores) {
  scores_of<Q8_0Row>(q, keys, n, head_dim, scale, scores);
}

void attention_values_f32(const float* weights, const std::byte* values, int64_t n, int64_t head_dim,
                          float* out) {
  values_of<F32Row>(weights, values, n, head_dim, out);
}

void attention_values_f16(const float* weights, const std::byte* values, int64_t n, int64_t head_dim,
                          float* out) {
  values_of<F16Row>(weights, values, n, head_dim, out);
}

void attention_values_q8_0(const float* weights, const std::byte* values, int64_t n, int64_t head_dim,
                           float* out) {
  values_of<Q8_0Row>(weights, values, n, head_dim, out);
}

}  // namespace flexinfer::avx512
