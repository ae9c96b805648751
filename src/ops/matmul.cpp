#include "ops/matmul.h"

#include <algorithm>

#include "kernels/interleave.h"
#include "quant/dequantize.h"
#include "quant/q8_activations.h"

namespace flexinfer {
namespace {

// Rows that stay together on one thread: a kernel works on several at once.
constexpr int64_t kRowGrain = kMostPanelRows;

// The last one may be less than whole.
int64_t grains_of(const MatrixProduct& product) {
  return (product.out.cols + kRowGrain - 1) / kRowGrain;
}

}  // namespace

bool can_multiply(GgmlType type) {
  return is_computable(type);
}

size_t matmul_scratch_bytes(int64_t n_tokens, int64_t cols) {
  return static_cast<size_t>(n_tokens) * q8_row_bytes(static_cast<size_t>(cols));
}

void MatmulInput::make_rows(GgmlType type, FunctionRef<void(int64_t t)> make_row) {
  quantised_ = activation_kind(type) == ActivationKind::kQ8;
  compute_.split(rows_.n_rows, rows_.cols, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      make_row(t);
      if (quantised_) quantise_row(t);
    }
  });
}

// Once, whichever product needs it first.
void MatmulInput::quantise() {
  if (quantised_) return;
  compute_.split(rows_.n_rows, rows_.cols, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t)
      quantise_row(t);
  });
  quantised_ = true;
}

void MatmulInput::quantise_row(int64_t t) const {
  const auto cols = static_cast<size_t>(rows_.cols);
  std::byte* row = scratch_ + static_cast<size_t>(t) * q8_row_bytes(cols);
  compute_.kernels.quantise_row(rows_.row(t), rows_.cols, q8_row_at(row, cols));
}

// Rows [begin, end) of a product whose operand is there.
void MatmulInput::multiply_rows(const MatrixProduct& product, int64_t begin, int64_t end) const {
  const bool is_f32 = activation_kind(product.type) == ActivationKind::kF32;
  MatmulArgs args;
  args.weights = product.weights + static_cast<size_t>(begin) * product.row_bytes;
  args.row_bytes = product.row_bytes;
  args.n_rows = end - begin;
  args.cols = rows_.cols;
  args.activations = is_f32 ? reinterpret_cast<const std::byte*>(rows_.data) : scratch_;
  args.activation_bytes = is_f32 ? static_cast<size_t>(rows_.stride) * sizeof(float)
                                 : q8_row_bytes(static_cast<size_t>(rows_.cols));
  args.n_tokens = rows_.n_rows;
  args.out = product.out.data + begin;
  args.out_stride = product.out.stride;
  args.layout = product.layout;
  compute_.kernels.find_matmul(product.type)(args);
}

// Grains of all products are counted through.
void MatmulInput::multiply(std::span<const MatrixProduct> products) {
  int64_t n_grains = 0;
  for (const MatrixProduct& product : products) {
    if (activation_kind(product.type) == ActivationKind::kQ8) quantise();
    n_grains += grains_of(product);
  }
  const int64_t elements_each = kRowGrain * rows_.cols * rows_.n_rows;
  compute_.split(n_grains, elements_each, [&](int64_t begin, int64_t end) {
    for (const MatrixProduct& product : products) {
      const int64_t n = grains_of(product);
      const int64_t from = std::max<int64_t>(begin, 0);
      const int64_t to = std::min(end, n);
      if (from < to) multiply_rows(product, from * kRowGrain, std::min(to * kRowGrain, product.out.cols));
      begin -= n;
      end -= n;
    }
  });
}

}  // namespace flexinfer
