#include <cpuid.h>

#include <array>

#include "kernels/avx2/table.h"
#include "kernels/avx512/table.h"
#include "kernels/candidates.h"
#include "kernels/generic/table.h"

namespace flexinfer {
namespace {

// Asked of the processor itself: not every compiler's __builtin_cpu_supports knows the name.
bool has_f16c() {
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}

bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
}

bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512vnni");
}

constexpr std::array kCandidates = {
    KernelCandidate{&avx512::kTable, has_avx512},
    KernelCandidate{&avx2::kTable, has_avx2},
    KernelCandidate{&generic::kTable, [] { return true; }},
};

}  // namespace

std::span<const KernelCandidate> kernel_candidates() {
  return kCandidates;
}

}  // namespace flexinfer
