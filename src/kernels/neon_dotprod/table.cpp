#include "kernels/neon_dotprod/table.h"

#include "kernels/neon/float_isa.h"
#include "kernels/neon_dotprod/quant_isa.h"
#include "kernels/simd/table.h"

namespace flexinfer::neon_dotprod {

constinit const KernelTable kTable = simd::make_table<neon::FloatIsa<QuantIsa>, QuantIsa>("neon_dotprod");

}  // namespace flexinfer::neon_dotprod
