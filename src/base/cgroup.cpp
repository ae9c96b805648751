#include "base/cgroup.h"

#include <algorithm>
#include <fstream>
#include <string>

namespace flexinfer {
namespace {

// Whether a list as "cpu,cpuacct" names the controller.
bool names(const std::string& controllers, std::string_view controller) {
  size_t begin = 0;
  while (begin <= controllers.size()) {
    const size_t end = std::min(controllers.find(',', begin), controllers.size());
    if (std::string_view(controllers).substr(begin, end - begin) == controller) return true;
    begin = end + 1;
  }
  return false;
}

void append_path(std::filesystem::path folder, const std::string& group, int version,
                 std::vector<CgroupFolder>& folders) {
  folders.push_back({folder, version});
  for (const std::filesystem::path& part : std::filesystem::path(group).relative_path()) {
    folder /= part;
    folders.push_back({folder, version});
  }
}

}  // namespace

std::vector<CgroupFolder> cgroup_folders(std::string_view controller, const std::filesystem::path& root) {
  std::vector<CgroupFolder> folders;
  std::ifstream groups(root / "proc/self/cgroup");
  std::string line;
  while (std::getline(groups, line)) {  // "4:memory:/path" in version 1, "0::/path" in version 2
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string group = line.substr(second + 1);
    if (controllers.empty()) {
      append_path(root / "sys/fs/cgroup", group, 2, folders);
    } else if (names(controllers, controller)) {
      append_path(root / "sys/fs/cgroup" / controller, group, 1, folders);
    }
  }
  return folders;
}

}  // namespace flexinfer
