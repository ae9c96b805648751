// Order of sums: kernels/simd/matmul_quant_panel.h.
#include "kernels/simd/matmul_quant_k.h"

#include "kernels/avx2/matmul_quant.h"
#include "kernels/avx2/matmul_quant_isa.h"

namespace flexinfer::avx2 {

void matmul_q2_k(const MatmulArgs& args) {
  simd::multiply<simd::Q2_K<Isa>>(args);
}
void matmul_q3_k(const MatmulArgs& args) {
  simd::multiply<simd::Q3_K<Isa>>(args);
}
void matmul_q4_k(const MatmulArgs& args) {
  simd::multiply<simd::Q4_K<Isa>>(args);
}
void matmul_q5_k(const MatmulArgs& args) {
  simd::multiply<simd::Q5_K<Isa>>(args);
}
void matmul_q6_k(const MatmulArgs& args) {
  simd::multiply<simd::Q6_K<Isa>>(args);
}

}  // namespace flexinfer::avx2
