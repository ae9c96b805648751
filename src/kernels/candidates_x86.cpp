#include <asm/prctl.h>
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "kernels/amx/matmuls.h"
#include "kernels/avx2/table.h"
#include "kernels/avx512/table.h"
#include "kernels/candidates.h"
#include "kernels/generic/table.h"

namespace flexinfer {
namespace {

// What the processor itself says of its features; zeros where it knows no such leaf.
struct Features {
  explicit Features(unsigned leaf) { __get_cpuid_count(leaf, 0, &eax, &ebx, &ecx, &edx); }

  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
};

// Not every compiler's __builtin_cpu_supports knows the names of these.
bool has_f16c() {
  return (Features(1).ecx & bit_F16C) != 0;
}

bool processor_has_amx() {
  constexpr unsigned kNeeded = bit_AMX_TILE | bit_AMX_INT8;
  return (Features(7).edx & kNeeded) == kNeeded;
}

bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
}

bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512vnni");
}

// Linux gives a process the registers of tiles only if it asks for them, once for all its threads
// (Documentation/arch/x86/xstate.rst); before 5.16 it knows no such request.
bool has_amx() {
  constexpr long kTileData = 18;
  return has_avx512() && processor_has_amx() && syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, kTileData) == 0;
}

KernelTable make_amx_table() {
  KernelTable table = avx512::kTable;
  table.name = "amx";
  for (const KernelTable::Matmul& by_tiles : amx::matmuls()) {
    const auto same_type = [&](const KernelTable::Matmul& row) { return row.type == by_tiles.type; };
    *std::find_if(table.matmuls.begin(), table.matmuls.end(), same_type) = by_tiles;
  }
  return table;
}

}  // namespace

std::span<const KernelCandidate> kernel_candidates() {
  static const KernelTable amx_table = make_amx_table();
  static const std::array candidates = {
      KernelCandidate{&amx_table, has_amx},
      KernelCandidate{&avx512::kTable, has_avx512},
      KernelCandidate{&avx2::kTable, has_avx2},
      KernelCandidate{&generic::kTable, [] { return true; }},
  };
  return candidates;
}

}  // namespace flexinfer
