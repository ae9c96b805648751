#include "integration/memory_cgroup.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace flexinfer::testing {
namespace {

constexpr auto kVersion1 = "/sys/fs/cgroup/memory";
constexpr auto kVersion2 = "/sys/fs/cgroup";

bool write_value(const std::string& path, uint64_t value) {
  if (!std::filesystem::exists(path)) return false;
  std::ofstream file(path);
  file << value;
  return static_cast<bool>(file.flush());
}

}  // namespace

std::unique_ptr<MemoryCgroup> MemoryCgroup::create(uint64_t limit_bytes) {
  for (const std::string root : {kVersion1, kVersion2}) {
    const std::string directory = root + "/flexinfer-test-" + std::to_string(getpid());
    if (mkdir(directory.c_str(), 0755) != 0) continue;
    std::unique_ptr<MemoryCgroup> group(new MemoryCgroup(directory));
    const bool limited = write_value(directory + "/memory.limit_in_bytes", limit_bytes) ||
                         write_value(directory + "/memory.max", limit_bytes);
    if (!limited) continue;
    // Memory that was swapped out would hide a broken promise.
    write_value(directory + "/memory.swappiness", 0);
    write_value(directory + "/memory.swap.max", 0);
    return group;
  }
  return nullptr;
}

MemoryCgroup::~MemoryCgroup() {
  rmdir(directory_.c_str());
}

uint64_t MemoryCgroup::n_killed() const {
  for (const char* name : {"/memory.oom_control", "/memory.events"}) {
    std::ifstream file(directory_ + name);
    std::string key;
    for (uint64_t value = 0; file >> key >> value;) {
      if (key == "oom_kill") return value;
    }
  }
  return 0;
}

}  // namespace flexinfer::testing
