#pragma once

#include "kernels/kernel_table.h"

namespace flexinfer::generic {

extern const KernelTable kTable;

}  // namespace flexinfer::generic
