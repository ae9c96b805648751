// The tables this build contains. Which they are is decided by the list of sources, not by conditions in the
// code.
#pragma once

#include <span>

#include "kernels/kernel_table.h"

namespace flexinfer {

struct KernelCandidate {
  const KernelTable* table;
  bool (
      *is_supported)();  // by the processor and by the operating system, which must save the wider registers
};

// From the fastest to the plainest; the last one runs everywhere.
std::span<const KernelCandidate> kernel_candidates();

}  // namespace flexinfer
