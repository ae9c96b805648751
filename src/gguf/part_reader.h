// One file of a GGUF model: a whole model, or a part of a split set.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "gguf/gguf_file.h"
#include "gguf/metadata.h"

namespace flexinfer::gguf {

// A number under a key that describes the file itself, and where in the file it stands.
struct PartKey {
  std::optional<uint64_t> value;
  uint64_t offset = 0;
};

struct Part {
  uint32_t version = 0;
  uint64_t alignment = 0;
  uint64_t file_bytes = 0;
  Metadata metadata;
  std::vector<MetadataPlace> metadata_places;
  std::vector<TensorInfo> tensors;
  std::vector<uint64_t> entry_offsets;  // where each tensor's entry of the directory begins
  PartKey split_number;
  PartKey split_count;
  PartKey split_tensors;
};

// Reads and checks the header and the directory; the tensors' extents get `file_index`. The pages read are
// dropped from the page cache. Names are not yet checked to differ. Errors as GgufFile::open.
Result<Part> read_part(const std::string& path, uint32_t file_index);

}  // namespace flexinfer::gguf
