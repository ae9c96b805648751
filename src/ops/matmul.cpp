#include "ops/matmul.h"

#include "kernels/interleave.h"
#include "quant/dequantize.h"
#include "quant/q8_activations.h"

namespace flexinfer {
namespace {

// Rows that stay together on one thread: a kernel works on several at once.
constexpr int64_t kRowGrain = kMostPanelRows;

}  // namespace

bool can_multiply(GgmlType type) {
  return is_computable(type);
}

size_t matmul_scratch_bytes(int64_t n_tokens, int64_t cols) {
  return static_cast<size_t>(n_tokens) * q8_row_bytes(static_cast<size_t>(cols));
}

const std::byte* MatmulInput::operand(ActivationKind kind) {
  if (kind == ActivationKind::kF32) return reinterpret_cast<const std::byte*>(rows_.data);
  if (!quantised_) {
    const auto cols = static_cast<size_t>(rows_.cols);
    compute_.split(rows_.n_rows, rows_.cols, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        std::byte* row = scratch_ + static_cast<size_t>(t) * q8_row_bytes(cols);
        compute_.kernels.quantise_row(rows_.row(t), rows_.cols, q8_row_at(row, cols));
      }
    });
    quantised_ = true;
  }
  return scratch_;
}

void MatmulInput::multiply(GgmlType type, const std::byte* weights, size_t row_bytes, int64_t n_rows,
                           const Rows& out, RowLayout layout) {
  const ActivationKind kind = activation_kind(type);
  const MatmulFn kernel = compute_.kernels.find_matmul(type);
  MatmulArgs args;
  args.row_bytes = row_bytes;
  args.cols = rows_.cols;
  args.activations = operand(kind);
  args.activation_bytes = kind == ActivationKind::kF32 ? static_cast<size_t>(rows_.stride) * sizeof(float)
                                                       : q8_row_bytes(static_cast<size_t>(rows_.cols));
  args.n_tokens = rows_.n_rows;
  args.out_stride = out.stride;
  args.layout = layout;
  auto multiply_rows = [&](int64_t begin, int64_t end) {
    MatmulArgs part = args;
    part.weights = weights + static_cast<size_t>(begin) * row_bytes;
    part.n_rows = end - begin;
    part.out = out.data + begin;
    kernel(part);
  };
  compute_.split(n_rows, rows_.cols * rows_.n_rows, multiply_rows, kRowGrain);
}

}  // namespace flexinfer
