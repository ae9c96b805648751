#include "kernels/avx2/matmul_float.h"

#include "kernels/avx2/float_product.h"

namespace flexinfer::avx2 {

void matmul_f32(const MatmulArgs& args) {
  multiply<F32Row>(args);
}

void matmul_f16(const MatmulArgs& args) {
  multiply<F16Row>(args);
}

void matmul_bf16(const MatmulArgs& args) {
  multiply<BF16Row>(args);
}

}  // namespace flexinfer::avx2
