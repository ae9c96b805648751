#include <array>

#include "kernels/candidates.h"
#include "kernels/generic/table.h"

namespace flexinfer {
namespace {

constexpr std::array kCandidates = {KernelCandidate{&generic::kTable, [] { return true; }}};

}  // namespace

std::span<const KernelCandidate> kernel_candidates() {
  return kCandidates;
}

}  // namespace flexinfer
