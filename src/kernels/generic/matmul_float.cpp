#include "kernels/generic/matmul_float.h"

#include "kernels/generic/float_product.h"

namespace flexinfer::generic {

void matmul_f32(const MatmulArgs& args) {
  multiply_by_floats(GgmlType::kF32, args);
}

void matmul_f16(const MatmulArgs& args) {
  multiply_by_floats(GgmlType::kF16, args);
}

void matmul_bf16(const MatmulArgs& args) {
  multiply_by_floats(GgmlType::kBF16, args);
}

}  // namespace flexinfer::generic
