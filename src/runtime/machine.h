// What this machine and this process have: memory, limits, speeds.
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

// Speeds that bound a run. The disk's is an assumption until a sweep has measured it; memory's and the cores'
// are what a current two-channel machine reaches.
struct MachineProfile {
  double disk_bytes_per_second = 1e9;
  double memory_bytes_per_second = 40e9;
  double multiply_adds_per_second = 60e9;  // of all threads together
  bool disk_measured = false;
};

// The machine as it is known: the disk's speed is the one that record_disk_speed noted last for the device
// that holds `model_path`, if any (in $XDG_CACHE_HOME/flexinfer or ~/.cache/flexinfer).
MachineProfile machine_profile(const std::string& model_path);

// Notes what a run has seen. Where the cache cannot be written nothing is noted: the next run assumes again.
void record_disk_speed(const std::string& model_path, double bytes_per_second);

}  // namespace flexinfer
