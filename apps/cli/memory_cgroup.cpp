#include "memory_cgroup.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <vector>

namespace flexinfer::cli {
namespace {

using std::filesystem::path;

const path kVersion1 = "/sys/fs/cgroup/memory";
const path kVersion2 = "/sys/fs/cgroup";

// The folders in which this process may hope to make a group. In version 1 that is its own group. In version
// 2 a group that holds processes has no limited groups below it, hence the one above its own.
std::vector<path> parents() {
  std::vector<path> found;
  std::ifstream groups("/proc/self/cgroup");
  std::string line;
  while (std::getline(groups, line)) {  // "4:memory:/a/b" in version 1, "0::/a/b" in version 2
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const path own = path(line.substr(second + 1)).relative_path();
    if (controllers == "memory") {
      found.push_back(kVersion1 / own);
    } else if (controllers.empty()) {
      found.push_back(kVersion2 / own.parent_path());
    }
  }
  return found;
}

bool write_value(const path& file, uint64_t value) {
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) return false;  // a stream would ask for it to be created
  std::ofstream stream(file);
  stream << value;
  return static_cast<bool>(stream.flush());
}

// The first of these files that holds a number.
uint64_t read_value(const path& folder, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    std::ifstream file(folder / name);
    if (uint64_t value = 0; file >> value) return value;
  }
  return 0;
}

// The value beside `key` in the first of these files that lists it.
uint64_t listed_value(const path& folder, std::initializer_list<const char*> names, std::string_view key) {
  for (const char* name : names) {
    std::ifstream file(folder / name);
    std::string word;
    for (uint64_t value = 0; file >> word >> value;) {
      if (word == key) return value;
    }
  }
  return 0;
}

}  // namespace

Result<std::unique_ptr<MemoryCgroup>> MemoryCgroup::create(uint64_t limit_bytes) {
  std::string reason = "no memory controller was found in /proc/self/cgroup";
  for (const path& parent : parents()) {
    std::string name = parent / "flexinfer-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) {
      reason = fmt::format("cannot make {}: {}", name, std::strerror(errno));
      continue;
    }
    const path folder = name;
    std::unique_ptr<MemoryCgroup> group(new MemoryCgroup(std::move(name)));
    if (write_value(folder / "memory.limit_in_bytes", limit_bytes) ||
        write_value(folder / "memory.max", limit_bytes)) {
      // What is swapped out is not counted and would go beyond the limit unseen.
      write_value(folder / "memory.swappiness", 0);
      write_value(folder / "memory.swap.max", 0);
      return group;
    }
    reason = fmt::format("{} takes no limit: the memory controller is not granted there", parent.string());
  }
  return make_error(
      ErrorCode::kUnsupported,
      fmt::format("memory cannot be limited: {}; as root, or below systemd-run --user --scope, it can",
                  reason));
}

MemoryCgroup::~MemoryCgroup() {
  rmdir(folder_.c_str());
}

uint64_t MemoryCgroup::peak_bytes() const {
  return read_value(folder_, {"memory.max_usage_in_bytes", "memory.peak"});
}

uint64_t MemoryCgroup::n_hits() const {
  const uint64_t hits = read_value(folder_, {"memory.failcnt"});
  return hits > 0 ? hits : listed_value(folder_, {"memory.events"}, "max");
}

uint64_t MemoryCgroup::n_killed() const {
  return listed_value(folder_, {"memory.oom_control", "memory.events"}, "oom_kill");
}

}  // namespace flexinfer::cli
