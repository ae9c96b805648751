#pragma once

#include "kernels/kernel_table.h"

namespace flexinfer::avx2 {

extern const KernelTable kTable;

}  // namespace flexinfer::avx2
