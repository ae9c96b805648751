// Files that tests make and read.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace flexinfer::testing {

// A directory of the test's own, gone with the object.
class TempDirectory {
 public:
  TempDirectory();
  ~TempDirectory();
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;

  std::string path(std::string_view name) const { return (directory_ / name).string(); }

 private:
  std::filesystem::path directory_;
};

std::string read_bytes(const std::string& path);
void write_bytes(const std::string& path, std::string_view bytes);

}  // namespace flexinfer::testing
