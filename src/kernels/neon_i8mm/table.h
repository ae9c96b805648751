#pragma once

#include "kernels/kernel_table.h"

namespace flexinfer::neon_i8mm {

extern const KernelTable kTable;

}  // namespace flexinfer::neon_i8mm
