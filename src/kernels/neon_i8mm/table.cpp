#include "kernels/neon_i8mm/table.h"

#include "kernels/neon/float_isa.h"
#include "kernels/neon_i8mm/quant_isa.h"
#include "kernels/simd/table.h"

namespace flexinfer::neon_i8mm {

constinit const KernelTable kTable = simd::make_table<neon::FloatIsa<QuantIsa>, QuantIsa>("neon_i8mm");

}  // namespace flexinfer::neon_i8mm
