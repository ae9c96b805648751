// The products of quantised weights and many tokens by AMX. A processor that has it has what the AVX-512
// table needs as well, and does all else as that table says.
#pragma once

#include <span>

#include "kernels/kernel_table.h"

namespace flexinfer::amx {

// The threads that call these need no preparation; the process must have been allowed to use tiles.
std::span<const KernelTable::Matmul> matmuls();

}  // namespace flexinfer::amx
