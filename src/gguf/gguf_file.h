// The header and tensor directory of a GGUF model, versions 2 and 3, one file or a split set. Never touches
// weights. Format: the GGUF specification (ggml/docs/gguf.md); split sets as llama.cpp's gguf-split writes
// them.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/ggml_type.h"
#include "base/result.h"
#include "gguf/metadata.h"
#include "io/file.h"

namespace flexinfer {

struct TensorInfo {
  std::string name;
  GgmlType type = GgmlType::kF32;
  uint32_t n_dims = 1;
  std::array<uint64_t, 4> dims = {1, 1, 1, 1};  // dims[0] is the row length (contiguous), as in the file
  Extent extent;                                // where the bytes lie: file index, absolute offset, size

  uint64_t cols() const { return dims[0]; }
  uint64_t rows() const { return dims[1] * dims[2] * dims[3]; }  // checked not to overflow when read
};

// A metadata pair as it lies in a file: the value's extent begins with its type.
struct MetadataPlace {
  std::string key;
  Extent value;
};

// Immutable after open; thread-safe for readers.
class GgufFile {
 public:
  // Reads and checks the header, the metadata and the tensor directory. Given the first file of a split set
  // (NAME-00001-of-0000N.gguf), reads all of them. Nothing in the file is trusted: every count, length,
  // offset, dimension and nesting depth is checked against the file's size before memory is allocated for it.
  // Errors: kIo (cannot read), kCorrupt / kUnsupported (each names the file, the byte offset and the reason).
  static Result<GgufFile> open(const std::string& path);

  uint32_t version() const { return version_; }
  uint64_t alignment() const { return alignment_; }
  const Metadata& metadata() const { return metadata_; }
  // Where the metadata lies in the first file, in its order: to be copied as it is.
  const std::vector<MetadataPlace>& metadata_places() const { return metadata_places_; }
  const std::vector<TensorInfo>& tensors() const { return tensors_; }  // in the files' order
  const TensorInfo* find_tensor(std::string_view name) const;
  const std::vector<std::string>& paths() const { return paths_; }  // Extent::file indexes this
  uint64_t tensor_bytes() const;                                    // all tensors together
  uint64_t file_bytes() const { return file_bytes_; }               // all files together

 private:
  GgufFile() = default;
  Status add_tensors(std::vector<TensorInfo>&& tensors, const std::vector<uint64_t>& entry_offsets);

  uint32_t version_ = 0;
  uint64_t alignment_ = 32;
  uint64_t file_bytes_ = 0;
  Metadata metadata_;
  std::vector<MetadataPlace> metadata_places_;
  std::vector<TensorInfo> tensors_;
  std::map<std::string, size_t, std::less<>> index_;  // by name; no names make it slow
  std::vector<std::string> paths_;
};

}  // namespace flexinfer
