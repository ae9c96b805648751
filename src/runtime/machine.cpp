#include "runtime/machine.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>

namespace flexinfer {
namespace {

// "Key:   123 kB" of a /proc file, in bytes.
uint64_t proc_value(const char* path, std::string_view key) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind(key, 0) != 0) continue;
    return std::strtoull(line.c_str() + key.size(), nullptr, 10) * 1024;
  }
  return 0;
}

std::optional<uint64_t> read_number(const std::string& path) {
  std::ifstream file(path);
  uint64_t value = 0;
  if (file >> value) return value;
  return std::nullopt;  // absent, or "max"
}

// Limit and use of one cgroup folder.
void tighten(const std::string& folder, const char* limit_name, const char* usage_name, MemoryState& state) {
  const std::optional<uint64_t> limit = read_number(folder + limit_name);
  if (!limit || *limit >= state.total_bytes) return;
  const uint64_t usage = read_number(folder + usage_name).value_or(0);
  state.total_bytes = *limit;
  state.available_bytes = std::min(state.available_bytes, *limit - std::min(*limit, usage));
}

// A cgroup's limit binds all below it: every folder from the process's own up to the root counts.
void tighten_to_cgroup(const std::string& root, std::string path, const char* limit_name, const char* usage_name,
                       MemoryState& state) {
  while (true) {
    tighten(root + path + "/", limit_name, usage_name, state);
    if (path.empty() || path == "/") return;
    path = path.substr(0, path.find_last_of('/'));
  }
}

std::filesystem::path speed_file(const std::string& model_path) {
  std::filesystem::path folder;
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache != '\0') {
    folder = cache;
  } else if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') {
    folder = std::filesystem::path(home) / ".cache";
  } else {
    return {};
  }
  struct stat status {};
  if (::stat(model_path.c_str(), &status) != 0) return {};
  return folder / "flexinfer" / fmt::format("disk-{}-{}", major(status.st_dev), minor(status.st_dev));
}

}  // namespace

uint64_t resident_bytes() { return proc_value("/proc/self/status", "VmRSS:"); }

uint64_t peak_resident_bytes() { return proc_value("/proc/self/status", "VmHWM:"); }

MemoryState memory_state() {
  MemoryState state{proc_value("/proc/meminfo", "MemTotal:"), proc_value("/proc/meminfo", "MemAvailable:")};
  std::ifstream groups("/proc/self/cgroup");
  std::string line;
  while (std::getline(groups, line)) {  // "4:memory:/path" in version 1, "0::/path" in version 2
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string path = line.substr(second + 1);
    if (controllers == "memory") {
      tighten_to_cgroup("/sys/fs/cgroup/memory", path, "memory.limit_in_bytes", "memory.usage_in_bytes", state);
    } else if (controllers.empty()) {
      tighten_to_cgroup("/sys/fs/cgroup", path, "memory.max", "memory.current", state);
    }
  }
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

MachineProfile machine_profile(const std::string& model_path, int n_threads) {
  MachineProfile profile;
  profile.multiply_adds_per_second *= n_threads;
  std::ifstream file(speed_file(model_path));
  double speed = 0;
  if (file >> speed && speed > 0) {
    profile.disk_bytes_per_second = speed;
    profile.disk_measured = true;
  }
  return profile;
}

void record_disk_speed(const std::string& model_path, double bytes_per_second) {
  const std::filesystem::path path = speed_file(model_path);
  if (path.empty()) return;
  std::error_code ignored;
  std::filesystem::create_directories(path.parent_path(), ignored);
  std::ofstream file(path);
  file << bytes_per_second << "\n";
}

}  // namespace flexinfer
