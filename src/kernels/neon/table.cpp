#include "kernels/neon/table.h"

#include "kernels/neon/float_isa.h"
#include "kernels/neon/quant_isa.h"
#include "kernels/simd/table.h"

namespace flexinfer::neon {

constinit const KernelTable kTable = simd::make_table<neon::FloatIsa<QuantIsa>, QuantIsa>("neon");

}  // namespace flexinfer::neon
