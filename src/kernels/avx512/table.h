#pragma once

#include "kernels/kernel_table.h"

namespace flexinfer::avx512 {

extern const KernelTable kTable;

}  // namespace flexinfer::avx512
