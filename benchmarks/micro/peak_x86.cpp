#include "micro/peak_x86.h"

#include "kernels/kernel_table.h"

namespace flexinfer {

const PeakLoops* find_peak_loops() {
  if (find_kernels("avx512") != nullptr) return &kPeakLoopsAvx512;
  if (find_kernels("avx2") != nullptr) return &kPeakLoopsAvx2;
  return nullptr;
}

}  // namespace flexinfer
