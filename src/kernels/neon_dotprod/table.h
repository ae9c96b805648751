#pragma once

#include "kernels/kernel_table.h"

namespace flexinfer::neon_dotprod {

extern const KernelTable kTable;

}  // namespace flexinfer::neon_dotprod
