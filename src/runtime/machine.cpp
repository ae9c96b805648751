#include "runtime/machine.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>

#include "base/cgroup.h"

namespace flexinfer {
namespace {

// The number that follows `key` at the beginning of a line; 0 where there is none.
uint64_t listed_value(const std::filesystem::path& path, std::string_view key) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind(key, 0) == 0) return std::strtoull(line.c_str() + key.size(), nullptr, 10);
  }
  return 0;
}

// "Key:   123 kB" of a /proc file, in bytes.
uint64_t proc_value(const std::filesystem::path& path, std::string_view key) {
  return listed_value(path, key) * 1024;
}

std::optional<uint64_t> read_number(const std::filesystem::path& path) {
  std::ifstream file(path);
  uint64_t value = 0;
  if (file >> value) return value;
  return std::nullopt;  // absent, or "max"
}

// How one version of cgroups names things.
struct CgroupNames {
  const char* limit;
  const char* usage;
  const char*
      idle_cache;  // of memory.stat: cached pages of files that the kernel gives back before anything else
};
constexpr CgroupNames kCgroup1 = {"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file "};
constexpr CgroupNames kCgroup2 = {"memory.max", "memory.current", "inactive_file "};

// Limit and use of one cgroup folder.
void tighten(const std::filesystem::path& folder, const CgroupNames& names, MemoryState& state) {
  const std::optional<uint64_t> limit = read_number(folder / names.limit);
  if (!limit) return;
  const uint64_t usage = read_number(folder / names.usage).value_or(0);
  const uint64_t held = usage - std::min(usage, listed_value(folder / "memory.stat", names.idle_cache));
  state.total_bytes = std::min(state.total_bytes, *limit);
  state.available_bytes = std::min(state.available_bytes, *limit - std::min(*limit, held));
}

}  // namespace

uint64_t resident_bytes() {
  return proc_value("/proc/self/status", "VmRSS:");
}

uint64_t peak_resident_bytes() {
  return proc_value("/proc/self/status", "VmHWM:");
}

MemoryState memory_state(const std::filesystem::path& root) {
  const std::filesystem::path memory = root / "proc/meminfo";
  MemoryState state{proc_value(memory, "MemTotal:"), proc_value(memory, "MemAvailable:")};
  for (const CgroupFolder& folder : cgroup_folders("memory", root))
    tighten(folder.path, folder.version == 1 ? kCgroup1 : kCgroup2, state);
  return state;
}

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind("model name", 0) == 0) return line.substr(std::min(line.size(), line.find(':') + 2));
  }
  return "unknown";
}

}  // namespace flexinfer
