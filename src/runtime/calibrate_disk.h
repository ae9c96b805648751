// The speed of a disk, measured on the file that will be read.
#pragma once

#include <span>
#include <vector>

#include "flexinfer/options.h"
#include "flexinfer/tools.h"
#include "io/file.h"
#include "runtime/machine_profile.h"

namespace flexinfer {

struct DiskCalibration {
  DiskSpeed speed;
  std::vector<Calibration::DiskSample> samples;
};

// Reads the files from their beginning on, round and round, as sweeps do: first with requests of several
// sizes, then with several depths of the best size. Of these the smallest that is within some hundredths of
// the fastest is chosen, if it still is in longer windows beside the fastest. A window in which a request was
// held up for a moment decides nothing where there are others. Takes about `seconds`, on a slow disk at most
// twice that. `memory_bytes` bounds the buffers. kUsage where the files are empty.
Result<DiskCalibration> calibrate_disk(std::span<const File> files, IoMode io, double seconds,
                                       uint64_t memory_bytes, const std::stop_token& stop);

// The same choice from samples alone: the first of `samples` (sorted by rising cost) that is within some
// hundredths of the fastest. Not empty.
const Calibration::DiskSample& cheapest_fast(std::span<const Calibration::DiskSample> samples);

}  // namespace flexinfer
