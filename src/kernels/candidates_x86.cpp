#include <array>

#include "kernels/avx2/table.h"
#include "kernels/avx512/table.h"
#include "kernels/candidates.h"
#include "kernels/generic/table.h"

namespace flexinfer {
namespace {

bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
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
