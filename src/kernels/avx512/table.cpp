#include "kernels/avx512/table.h"

#include "kernels/avx512/float_isa.h"
#include "kernels/avx512/quant_isa.h"
#include "kernels/simd/table.h"

namespace flexinfer::avx512 {

constinit const KernelTable kTable = simd::make_table<FloatIsa, QuantIsa>("avx512");

}  // namespace flexinfer::avx512
