#include "kernels/kernel_table.h"

#include <fmt/format.h>

#include <cstdlib>
#include <string>

#include "kernels/candidates.h"

namespace flexinfer {
namespace {

constexpr const char* kEnvironmentVariable = "FLEXINFER_KERNELS";

const KernelCandidate* find_candidate(std::string_view name) {
  for (const KernelCandidate& candidate : kernel_candidates()) {
    if (candidate.table->name == name) return &candidate;
  }
  return nullptr;
}

std::string supported_names() {
  std::string names;
  for (const KernelCandidate& candidate : kernel_candidates()) {
    if (!candidate.is_supported()) continue;
    if (!names.empty()) names += ", ";
    names += candidate.table->name;
  }
  return names;
}

Result<const KernelTable*> choose_named(std::string_view name) {
  const KernelCandidate* candidate = find_candidate(name);
  if (candidate != nullptr && candidate->is_supported()) return candidate->table;
  return make_error(ErrorCode::kUsage,
                    fmt::format("{}={}: {}; available here: {}", kEnvironmentVariable, name,
                                candidate == nullptr ? "no such kernels" : "this processor cannot run them",
                                supported_names()));
}

}  // namespace

MatmulFn KernelTable::find_matmul(GgmlType type) const {
  for (const Matmul& row : matmuls) {
    if (row.matmul != nullptr && row.type == type) return row.matmul;
  }
  return nullptr;
}

ActivationKind activation_kind(GgmlType weight_type) {
  switch (weight_type) {
    case GgmlType::kF32:
    case GgmlType::kF16:
    case GgmlType::kBF16:
      return ActivationKind::kF32;
    default:
      return ActivationKind::kQ8;
  }
}

Result<const KernelTable*> choose_kernels() {
  const char* name = std::getenv(kEnvironmentVariable);
  if (name != nullptr && *name != '\0') return choose_named(name);
  for (const KernelCandidate& candidate : kernel_candidates()) {
    if (candidate.is_supported()) return candidate.table;
  }
  return make_error(ErrorCode::kUnsupported, "this build holds no kernels that the processor can run");
}

const KernelTable* find_kernels(std::string_view name) {
  const KernelCandidate* candidate = find_candidate(name);
  return candidate != nullptr && candidate->is_supported() ? candidate->table : nullptr;
}

}  // namespace flexinfer
