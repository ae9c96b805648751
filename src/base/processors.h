// The processors that this process may compute on.
#pragma once

#include <filesystem>
#include <span>

namespace flexinfer {

// The physical cores that the affinity mask and the cpu quotas of the process's cgroups leave to it, at least
// 1. Threads of one core share its arithmetic and its caches: a second one brings nothing here.
int available_cores();

// How many different cores these processors belong to, by the topology files under `root`; one that has none
// counts as a core of its own.
int count_cores(std::span<const int> processors, const std::filesystem::path& root = "/");

// Processors' worth of time that cgroups grant, the least of all that bind the process; 0 where none limits
// it.
double cpu_quota(const std::filesystem::path& root = "/");

}  // namespace flexinfer
