// A memory cgroup of the test's own, where the machine allows one: root, and the memory controller of version
// 1 or 2.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace flexinfer::testing {

class MemoryCgroup {
 public:
  // nullptr where the system refuses.
  static std::unique_ptr<MemoryCgroup> create(uint64_t limit_bytes);
  ~MemoryCgroup();
  MemoryCgroup(const MemoryCgroup&) = delete;
  MemoryCgroup& operator=(const MemoryCgroup&) = delete;

  const std::string& directory() const { return directory_; }
  // Processes of the group that the kernel killed for want of memory.
  uint64_t n_killed() const;

 private:
  explicit MemoryCgroup(std::string directory) : directory_(std::move(directory)) {}

  std::string directory_;
};

}  // namespace flexinfer::testing
