#include "ops/elementwise.h"

#include "quant/dequantize.h"

namespace flexinfer {

void rms_norm(const Compute& compute, const Rows& in, std::span<const float> weight, float epsilon,
              const Rows& out) {
  compute.split(in.n_rows, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      compute.kernels.rms_norm(in.row(t), weight.data(), in.cols, epsilon, out.row(t));
    }
  });
}

void add_bias(const Compute& compute, std::span<const float> addend, const Rows& rows) {
  compute.split(rows.n_rows, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t)
      compute.kernels.add(addend.data(), rows.cols, rows.row(t));
  });
}

void add_rows(const Compute& compute, const Rows& addend, const Rows& rows) {
  compute.split(rows.n_rows, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t)
      compute.kernels.add(addend.row(t), rows.cols, rows.row(t));
  });
}

void silu_multiply(const Compute& compute, const Rows& gate, const Rows& up) {
  compute.split(gate.n_rows, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      compute.kernels.silu_multiply(gate.row(t), up.row(t), gate.cols, gate.row(t));
    }
  });
}

void dequantize_rows(const Compute& compute, GgmlType type, const std::byte* weights, size_t row_bytes,
                     const Rows& out) {
  compute.split(out.n_rows, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      dequantize_row(type, weights + static_cast<size_t>(t) * row_bytes, out.cols, out.row(t));
    }
  });
}

}  // namespace flexinfer
