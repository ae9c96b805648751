// What this machine can do: the speeds that bound a run, measured or assumed, and kept between runs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/ggml_type.h"

namespace flexinfer {

// Where a speed comes from.
enum class SpeedSource : uint8_t { kAssumed, kSweep, kCalibrated };

// One filesystem, read with direct I/O.
struct DiskSpeed {
  double bytes_per_second = 1e9;
  uint64_t request_bytes = kMiB;  // the smallest request that reaches it, a multiple of kPageBytes
  uint32_t depth = 16;            // the fewest such requests in flight that reach it
  SpeedSource source = SpeedSource::kAssumed;
};

// Two disks that are read at the same time, each in proportion to its speed; as certain as the less certain.
DiskSpeed together(const DiskSpeed& a, const DiskSpeed& b);

// Matrix products with weights of one type, all threads together.
struct ProductSpeed {
  GgmlType type = GgmlType::kF32;
  // Of weights that come from memory, for one token: as they are in the file, and as locked rows are laid
  // out.
  double bytes_per_second = 0;
  double laid_out_bytes_per_second = 0;
  double multiply_adds_per_second = 0;  // for many tokens at once
};

// The cores and their memory, with one set of kernels and one number of threads. The assumptions are what a
// small current machine reaches.
struct ComputeSpeed {
  double memory_bytes_per_second = 30e9;
  double region_seconds = 5e-6;  // to hand work to all threads and wait for the last
  std::vector<ProductSpeed> products;
  bool measured = false;

  // As measured, or what is to be assumed of a type that was not.
  ProductSpeed product(GgmlType type) const;
};

struct MachineProfile {
  DiskSpeed disk;
  ComputeSpeed compute;
};

// The two parts are files of their own in $XDG_CACHE_HOME/flexinfer or ~/.cache/flexinfer: one for each
// filesystem of a machine, one for each machine, set of kernels and number of threads. What is missing or
// damaged there is assumed.
MachineProfile load_profile(const std::string& model_path, std::string_view kernels, int n_threads);
// False where they cannot be written: the next run assumes again. A file is replaced whole.
bool save_disk_speed(const std::string& model_path, const DiskSpeed& disk);
bool save_compute_speed(std::string_view kernels, int n_threads, const ComputeSpeed& compute);
// The folder of the profile; empty where the environment names none.
std::string profile_folder();

}  // namespace flexinfer
