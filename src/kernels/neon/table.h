#pragma once

#include "kernels/kernel_table.h"

namespace flexinfer::neon {

extern const KernelTable kTable;

}  // namespace flexinfer::neon
