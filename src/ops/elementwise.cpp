#include "ops/elementwise.h"

#include "quant/dequantize.h"

namespace flexinfer {

namespace {

// fn(t) for every row, split among the threads.
template <class Fn>
void for_each_row(const Compute& compute, const Rows& rows, Fn fn) {
  compute.split(rows.n_rows, rows.cols, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t)
      fn(t);
  });
}

}  // namespace

void rms_norm(const Compute& compute, const Rows& in, std::span<const float> weight, float epsilon,
              const Rows& out) {
  for_each_row(compute, in, [&](int64_t t) {
    compute.kernels.rms_norm(in.row(t), weight.data(), in.cols, epsilon, out.row(t));
  });
}

void rms_norm_heads(const Compute& compute, std::span<const float> weight, float epsilon, const Rows& heads) {
  const auto head_dim = static_cast<int64_t>(weight.size());
  for_each_row(compute, heads, [&](int64_t t) {
    for (float* head = heads.row(t); head < heads.row(t) + heads.cols; head += head_dim)
      compute.kernels.rms_norm(head, weight.data(), head_dim, epsilon, head);
  });
}

void add_bias(const Compute& compute, std::span<const float> addend, const Rows& rows) {
  for_each_row(compute, rows, [&](int64_t t) { compute.kernels.add(addend.data(), rows.cols, rows.row(t)); });
}

void add_rows(const Compute& compute, const Rows& addend, const Rows& rows) {
  for_each_row(compute, rows, [&](int64_t t) { compute.kernels.add(addend.row(t), rows.cols, rows.row(t)); });
}

void silu_multiply(const Compute& compute, const Rows& gate, const Rows& up) {
  for_each_row(compute, gate, [&](int64_t t) {
    compute.kernels.silu_multiply(gate.row(t), up.row(t), gate.cols, gate.row(t));
  });
}

void gelu_multiply(const Compute& compute, const Rows& gate, const Rows& up) {
  for_each_row(compute, gate, [&](int64_t t) {
    compute.kernels.gelu_multiply(gate.row(t), up.row(t), gate.cols, gate.row(t));
  });
}

void swiglu_clamped(const Compute& compute, float alpha, float limit, const Rows& gate, const Rows& up) {
  for_each_row(compute, gate, [&](int64_t t) {
    compute.kernels.swiglu_clamped(gate.row(t), up.row(t), gate.cols, alpha, limit, gate.row(t));
  });
}

void scale_rows(const Compute& compute, float factor, const Rows& rows) {
  for_each_row(compute, rows, [&](int64_t t) { compute.kernels.scale(factor, rows.cols, rows.row(t)); });
}

void soft_cap_rows(const Compute& compute, float cap, const Rows& rows) {
  for_each_row(compute, rows,
               [&](int64_t t) { compute.kernels.soft_cap(1.0F, cap, rows.cols, rows.row(t)); });
}

void dequantize_rows(const Compute& compute, GgmlType type, const std::byte* weights, size_t row_bytes,
                     const Rows& out) {
  for_each_row(compute, out, [&](int64_t t) {
    dequantize_row(type, weights + static_cast<size_t>(t) * row_bytes, out.cols, out.row(t));
  });
}

}  // namespace flexinfer
