// What tells one model from another without reading all of its weights.
#pragma once

#include <cstdint>
#include <span>

#include "base/hash.h"
#include "gguf/gguf_file.h"
#include "residency/weight_schedule.h"

namespace flexinfer {

// A hash of the metadata, the tensor directory and the files' size.
uint64_t model_identity(const GgufFile& file);

// Adds a page of each matrix (of a block of experts, of the first one), which tells apart fine-tunes that
// have all else in common. Returns the bytes that were read.
Result<uint64_t> sample_weights(const WeightSchedule& schedule, std::span<const File> files, Hash& hash);

}  // namespace flexinfer
