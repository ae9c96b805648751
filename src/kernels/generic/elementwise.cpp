#include "kernels/generic/elementwise.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace flexinfer::generic {
namespace {

// The greatest magnitude of a block. Magnitudes are compared as bits, so that a NaN is the greatest of all
// and a row that holds one does not pass for a row of numbers.
float greatest_magnitude(const float* in) {
  uint32_t greatest = 0;
  for (int i = 0; i < kActivationBlock; i++) {
    greatest = std::max(greatest, std::bit_cast<uint32_t>(in[i]) & 0x7fffffffu);
  }
  return std::bit_cast<float>(greatest);
}

// To the nearest integer, ties away from zero; NaN (infinity times zero) becomes -127.
int8_t round_to_int8(float value) {
  const float clamped = std::max(-127.0f, value);  // in this order: it yields its first argument for a NaN
  return static_cast<int8_t>(clamped + std::copysign(std::nextafter(0.5f, 0.0f), clamped));
}

// In place: exp(x - max); the sum is left in double.
double exponentials(float* x, int64_t n, float& greatest) {
  greatest = *std::max_element(x, x + n);
  double sum = 0;
  for (int64_t i = 0; i < n; i++) {
    x[i] = std::exp(x[i] - greatest);
    sum += x[i];
  }
  return sum;
}

}  // namespace

void quantise_row(const float* in, int64_t cols, Q8Row out) {
  for (int64_t col = 0; col < cols; col += kActivationBlock) {
    const float scale = greatest_magnitude(in + col) / 127.0f;
    const float inverse = scale >= std::numeric_limits<float>::min() ? 1.0f / scale : 0.0f;
    out.scales[col / kActivationBlock] = scale;
    for (int i = 0; i < kActivationBlock; i++)
      out.values[col + i] = round_to_int8(in[col + i] * inverse);
  }
  for (int64_t col = 0; col < cols; col += kActivationSumBlock) {
    int sum = 0;
    for (int i = 0; i < kActivationSumBlock; i++)
      sum += out.values[col + i];
    out.sums[col / kActivationSumBlock] = static_cast<int16_t>(sum);
  }
}

void rms_norm(const float* in, const float* weight, int64_t n, float epsilon, float* out) {
  double squares = 0;
  for (int64_t i = 0; i < n; i++)
    squares += static_cast<double>(in[i]) * in[i];
  const auto scale = static_cast<float>(1.0 / std::sqrt(squares / static_cast<double>(n) + epsilon));
  for (int64_t i = 0; i < n; i++)
    out[i] = in[i] * scale * weight[i];
}

void softmax(float* x, int64_t n) {
  float greatest;
  scale(static_cast<float>(1.0 / exponentials(x, n, greatest)), n, x);
}

SoftmaxSum softmax_weights(float* x, int64_t n) {
  SoftmaxSum result;
  result.sum = static_cast<float>(exponentials(x, n, result.greatest));
  return result;
}

void silu_multiply(const float* gate, const float* up, int64_t n, float* out) {
  for (int64_t i = 0; i < n; i++)
    out[i] = gate[i] / (1.0f + std::exp(-gate[i])) * up[i];
}

void gelu_multiply(const float* gate, const float* up, int64_t n, float* out) {
  constexpr float kScale = 0.797884561f;  // sqrt(2 / pi)
  for (int64_t i = 0; i < n; i++) {
    const float x = gate[i];
    const float inner = kScale * (x + 0.044715f * x * x * x);
    out[i] = x / (1.0f + std::exp(-2.0f * inner)) * up[i];  // (1 + tanh(y)) / 2 is the sigmoid of 2 y
  }
}

void swiglu_clamped(const float* gate, const float* up, int64_t n, float alpha, float limit, float* out) {
  for (int64_t i = 0; i < n; i++) {
    const float g = std::min(gate[i], limit);
    const float u = std::clamp(up[i], -limit, limit);
    out[i] = g / (1.0f + std::exp(-alpha * g)) * (u + 1.0f);
  }
}

void add(const float* y, int64_t n, float* x) {
  for (int64_t i = 0; i < n; i++)
    x[i] += y[i];
}

void scale(float factor, int64_t n, float* x) {
  for (int64_t i = 0; i < n; i++)
    x[i] *= factor;
}

void blend(float factor, const float* y, float y_factor, int64_t n, float* x) {
  for (int64_t i = 0; i < n; i++)
    x[i] = x[i] * factor + y[i] * y_factor;
}

void soft_cap(float factor, float cap, int64_t n, float* x) {
  for (int64_t i = 0; i < n; i++)
    x[i] = cap * std::tanh(x[i] * (factor / cap));
}

void rope_adjacent(float* x, const float* cosines, const float* sines, int64_t n_pairs) {
  for (int64_t i = 0; i < n_pairs; i++) {
    const float first = x[2 * i];
    const float second = x[2 * i + 1];
    x[2 * i] = first * cosines[i] - second * sines[i];
    x[2 * i + 1] = second * cosines[i] + first * sines[i];
  }
}

void rope_halves(float* x, const float* cosines, const float* sines, int64_t n_pairs) {
  for (int64_t i = 0; i < n_pairs; i++) {
    const float first = x[i];
    const float second = x[i + n_pairs];
    x[i] = first * cosines[i] - second * sines[i];
    x[i + n_pairs] = second * cosines[i] + first * sines[i];
  }
}

}  // namespace flexinfer::generic
