// A memory cgroup for a child process: the kernel's own limit on what it takes, cached pages of files
// included. Version 1 and 2 of the memory controller.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "flexinfer/error.h"

namespace flexinfer::cli {

class MemoryCgroup {
 public:
  // A new group with that limit and no swap. kUnsupported, with the system's reason and what would help,
  // where this process may not make one. Whatever holds for the groups above holds for it too.
  static Result<std::unique_ptr<MemoryCgroup>> create(uint64_t limit_bytes);
  // Its processes have ended.
  ~MemoryCgroup();
  MemoryCgroup(const MemoryCgroup&) = delete;
  MemoryCgroup& operator=(const MemoryCgroup&) = delete;

  const std::string& folder() const { return folder_; }
  uint64_t peak_bytes() const;  // the most that was charged; 0 where the kernel does not say
  uint64_t n_hits() const;      // how often the limit was reached
  uint64_t n_killed() const;    // processes that were killed for it

 private:
  explicit MemoryCgroup(std::string folder) : folder_(std::move(folder)) {}

  std::string folder_;
};

}  // namespace flexinfer::cli
