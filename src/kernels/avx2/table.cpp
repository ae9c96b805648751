#include "kernels/avx2/table.h"

#include "kernels/avx2/float_isa.h"
#include "kernels/avx2/quant_isa.h"
#include "kernels/simd/table.h"

namespace flexinfer::avx2 {

constinit const KernelTable kTable = simd::make_table<FloatIsa, QuantIsa>("avx2");

}  // namespace flexinfer::avx2
