// What this machine and this process have: memory and its limits.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace flexinfer {

// Of this process, by the kernel's account; 0 where it is not to be had.
uint64_t resident_bytes();
uint64_t peak_resident_bytes();

// Memory that can be had without pushing anything out but cached files: the machine's, or that of the
// process's memory cgroup (version 1 or 2) or of one above it where that is less. `total` alike.
struct MemoryState {
  uint64_t total_bytes = 0;
  uint64_t available_bytes = 0;
};
// `root` is where /proc and /sys are.
MemoryState memory_state(const std::filesystem::path& root = "/");

std::string cpu_name();

}  // namespace flexinfer
