// Order of sums: kernels/simd/matmul_quant_panel.h.
#include "kernels/simd/matmul_quant_32.h"

#include "kernels/avx2/matmul_quant.h"
#include "kernels/avx2/matmul_quant_isa.h"

namespace flexinfer::avx2 {

void matmul_q4_0(const MatmulArgs& args) {
  simd::multiply<simd::Q4_0<Isa>>(args);
}
void matmul_q4_1(const MatmulArgs& args) {
  simd::multiply<simd::Q4_1<Isa>>(args);
}
void matmul_q5_0(const MatmulArgs& args) {
  simd::multiply<simd::Q5_0<Isa>>(args);
}
void matmul_q5_1(const MatmulArgs& args) {
  simd::multiply<simd::Q5_1<Isa>>(args);
}
void matmul_q8_0(const MatmulArgs& args) {
  simd::multiply<simd::Q8_0<Isa>>(args);
}

}  // namespace flexinfer::avx2
