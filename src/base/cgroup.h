// The control groups that bind this process.
#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

namespace flexinfer {

struct CgroupFolder {
  std::filesystem::path path;
  int version = 2;  // files are named differently in versions 1 and 2
};

// The folders whose limits on `controller` ("memory", "cpu") bind the process: its own and all above it, the
// topmost first, of both versions where both are mounted. Folders need not exist: inside a container the path
// may be one that only the host sees. `root` is where the file system is looked at.
std::vector<CgroupFolder> cgroup_folders(std::string_view controller,
                                         const std::filesystem::path& root = "/");

}  // namespace flexinfer
