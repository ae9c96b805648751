#include <asm/hwcap.h>
#include <sys/auxv.h>

#include <array>

#include "kernels/candidates.h"
#include "kernels/generic/table.h"
#include "kernels/neon/table.h"
#include "kernels/neon_dotprod/table.h"
#include "kernels/neon_i8mm/table.h"

namespace flexinfer {
namespace {

bool has_dotprod() {
  return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
}

bool has_i8mm() {
  return has_dotprod() && (getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0;
}

// Every 64-bit ARM processor that Linux runs on has NEON.
constexpr std::array kCandidates = {
    KernelCandidate{&neon_i8mm::kTable, has_i8mm},
    KernelCandidate{&neon_dotprod::kTable, has_dotprod},
    KernelCandidate{&neon::kTable, [] { return true; }},
    KernelCandidate{&generic::kTable, [] { return true; }},
};

}  // namespace

std::span<const KernelCandidate> kernel_candidates() {
  return kCandidates;
}

}  // namespace flexinfer
