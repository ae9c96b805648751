#include "base/processors.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/cgroup.h"

namespace flexinfer {
namespace {

// Those of the affinity mask; all, where it cannot be read.
std::vector<int> allowed_processors() {
  std::vector<int> processors;
  cpu_set_t set;
  CPU_ZERO(&set);
  const bool known = ::sched_getaffinity(0, sizeof(set), &set) == 0;
  const int n = known ? CPU_SETSIZE : static_cast<int>(std::thread::hardware_concurrency());
  for (int processor = 0; processor < n; ++processor) {
    if (!known || CPU_ISSET(static_cast<size_t>(processor), &set)) processors.push_back(processor);
  }
  return processors;
}

// Quota over period of one folder; 0 where it sets none.
double folder_quota(const CgroupFolder& folder) {
  double quota = 0;
  double period = 0;
  if (folder.version == 2) {
    std::ifstream limit(folder.path / "cpu.max");  // "max 100000" or "150000 100000"
    limit >> quota >> period;
  } else {
    std::ifstream(folder.path / "cpu.cfs_quota_us") >> quota;  // -1: no limit
    std::ifstream(folder.path / "cpu.cfs_period_us") >> period;
  }
  return quota > 0 && period > 0 ? quota / period : 0;
}

}  // namespace

int count_cores(std::span<const int> processors, const std::filesystem::path& root) {
  std::set<std::string> cores;
  for (const int processor : processors) {
    const std::string name = "cpu" + std::to_string(processor);
    std::ifstream siblings(root / "sys/devices/system/cpu" / name / "topology/thread_siblings_list");
    std::string core;  // all processors of this one's core
    cores.insert(siblings >> core ? core : name);
  }
  return static_cast<int>(cores.size());
}

double cpu_quota(const std::filesystem::path& root) {
  double least = 0;
  for (const CgroupFolder& folder : cgroup_folders("cpu", root)) {
    const double quota = folder_quota(folder);
    if (quota > 0) least = least > 0 ? std::min(least, quota) : quota;
  }
  return least;
}

int available_cores() {
  int cores = count_cores(allowed_processors());
  if (const double quota = cpu_quota(); quota > 0)
    cores = std::min(cores, static_cast<int>(std::lround(quota)));
  return std::max(1, cores);
}

}  // namespace flexinfer
