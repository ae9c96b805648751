// Matrix products over the rows of a weight that are at hand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/function_ref.h"
#include "base/ggml_type.h"
#include "ops/compute.h"

namespace flexinfer {

// Whether weights of this type can be multiplied with; the same on every instruction set.
bool can_multiply(GgmlType type);

// Bytes of scratch that MatmulInput needs to quantise n_tokens rows of at most `cols` values.
size_t matmul_scratch_bytes(int64_t n_tokens, int64_t cols);

// out.row(t)[r] = weight row r . input row t for r in [0, out.cols): weight rows are `row_bytes` apart, of as
// many elements of `type` as the input has columns. Requires can_multiply(type).
struct MatrixProduct {
  GgmlType type{};
  const std::byte* weights = nullptr;
  size_t row_bytes = 0;
  RowLayout layout = RowLayout::kStored;
  Rows out;
};

// The right-hand side of one or several products: one row per token. Types that take 8-bit activations share
// one quantisation, made with the rows or at the first product that needs it. Borrows rows and scratch
// (64-byte aligned, matmul_scratch_bytes long); one MatmulInput uses a scratch at a time.
class MatmulInput {
 public:
  MatmulInput(const Compute& compute, const Rows& rows, std::byte* scratch)
      : compute_(compute), rows_(rows), scratch_(scratch) {}

  // Calls make_row(t), which writes row t, for all rows. Each is quantised as soon as it is there, where
  // matrices of this type need it so: it is in the cache then.
  void make_rows(GgmlType type, FunctionRef<void(int64_t t)> make_row);

  // All of them in one region of the threads: memory stands idle between two. The bits of an output do not
  // depend on how rows are cut into calls or laid out.
  void multiply(std::span<const MatrixProduct> products);

  const Rows& rows() const { return rows_; }

 private:
  void quantise();
  void quantise_row(int64_t t) const;
  void multiply_rows(const MatrixProduct& product, int64_t begin, int64_t end) const;

  const Compute& compute_;
  const Rows rows_;
  std::byte* scratch_;
  bool quantised_ = false;
};

}  // namespace flexinfer
