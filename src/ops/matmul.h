// Matrix products over the rows of a weight that are at hand.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/ggml_type.h"
#include "ops/compute.h"

namespace flexinfer {

// Whether weights of this type can be multiplied with; the same on every instruction set.
bool can_multiply(GgmlType type);

// Bytes of scratch that MatmulInput needs to quantise n_tokens rows of at most `cols` values.
size_t matmul_scratch_bytes(int64_t n_tokens, int64_t cols);

// The right-hand side of one or several products: one row per token. Types that take 8-bit activations share
// one quantisation, made at the first product that needs it. Borrows rows and scratch (64-byte aligned,
// matmul_scratch_bytes long); one MatmulInput uses a scratch at a time.
class MatmulInput {
 public:
  MatmulInput(const Compute& compute, const Rows& rows, std::byte* scratch)
      : compute_(compute), rows_(rows), scratch_(scratch) {}

  // out.row(t)[r] = weight row r . input row t for r in [0, n_rows): weight rows are `row_bytes` apart, of
  // rows().cols elements of `type`. Requires can_multiply(type). The bits of an output do not depend on how
  // rows are cut into calls or laid out.
  void multiply(GgmlType type, const std::byte* weights, size_t row_bytes, int64_t n_rows, const Rows& out,
                RowLayout layout = RowLayout::kStored);

  const Rows& rows() const { return rows_; }

 private:
  const std::byte* operand(ActivationKind kind);

  const Compute& compute_;
  const Rows rows_;
  std::byte* scratch_;
  bool quantised_ = false;
};

}  // namespace flexinfer
