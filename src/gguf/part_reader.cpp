#include "gguf/part_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "gguf/format.h"
#include "gguf/header_cursor.h"
#include "gguf/quote.h"
#include "gguf/value_reader.h"
#include "io/file.h"

namespace flexinfer::gguf {
namespace {

constexpr uint64_t kSmallestPair = 8 + 1 + 4 + 1;           // bytes: a key of one letter and a bool
constexpr uint64_t kSmallestEntry = 8 + 1 + 4 + 8 + 4 + 8;  // bytes: a tensor of one dimension
constexpr uint64_t kMostPairs = uint64_t{1} << 16;     // some hundred times what models have: these bound
constexpr uint64_t kMostTensors = uint64_t{1} << 20;   // the memory that a hostile file can claim
constexpr uint64_t kMostElements = uint64_t{1} << 62;  // keeps every product of dimensions in 64 bits

class PartReader {
 public:
  PartReader(const File& file, uint32_t file_index) : file_(file), file_index_(file_index), cursor_(file) {}

  Result<Part> read();

 private:
  Status read_magic();
  Status read_version();
  Result<uint64_t> read_count(uint64_t unit_bytes, uint64_t most, std::string_view what);
  Status read_metadata(uint64_t n_pairs);
  PartKey* split_key(std::string_view key);
  Status note_key(std::string_view key, uint64_t offset);
  Status read_directory(uint64_t n_tensors);
  Status read_name(std::string& name, std::string_view what);
  Status read_entry(TensorInfo& tensor);
  Status read_dims(TensorInfo& tensor);
  Status read_tensor_type(TensorInfo& tensor);
  Status place_tensors();

  const File& file_;
  uint32_t file_index_;
  HeaderCursor cursor_;
  Part part_;
};

Result<Part> PartReader::read() {
  part_.file_bytes = file_.size();
  part_.alignment = kDefaultAlignment;
  FLEX_CHECK(read_magic());
  FLEX_CHECK(read_version());
  FLEX_TRY(const uint64_t n_tensors, read_count(kSmallestEntry, kMostTensors, "tensors"));
  FLEX_TRY(const uint64_t n_pairs, read_count(kSmallestPair, kMostPairs, "metadata keys"));
  FLEX_CHECK(read_metadata(n_pairs));
  FLEX_CHECK(read_directory(n_tensors));
  FLEX_CHECK(place_tensors());
  file_.drop_cache(0, cursor_.window_end());
  return std::move(part_);
}

Status PartReader::read_magic() {
  std::string magic(std::min<uint64_t>(kMagic.size(), file_.size()), '\0');
  if (magic.empty()) return cursor_.error(ErrorCode::kCorrupt, "not a GGUF file: it is empty");
  FLEX_CHECK(cursor_.read(magic.data(), magic.size(), "the first bytes"));
  if (magic == kMagic) return {};
  return cursor_.error_at(0, ErrorCode::kCorrupt,
                          fmt::format("not a GGUF file: it begins with {}", quote(magic)));
}

Status PartReader::read_version() {
  const uint64_t at = cursor_.offset();
  FLEX_TRY(part_.version, cursor_.number<uint32_t>("the version"));
  const uint32_t version = part_.version;
  if (version >= kOldestVersion && version <= kVersion) return {};
  const auto unsupported = [&](std::string_view reason) {
    return cursor_.error_at(at, ErrorCode::kUnsupported, reason);
  };
  if (version == 1)
    return unsupported("GGUF version 1 is no longer read: convert the model again, to version 3");
  const uint32_t swapped = __builtin_bswap32(version);
  if (swapped >= 1 && swapped <= kVersion) {
    return unsupported(
        fmt::format("a big-endian GGUF file (version {}): only little-endian files are read", swapped));
  }
  return unsupported(fmt::format("GGUF version {} is unknown: versions 2 and 3 are read", version));
}

// A number of things that follow, each of at least `unit_bytes`.
Result<uint64_t> PartReader::read_count(uint64_t unit_bytes, uint64_t most, std::string_view what) {
  const uint64_t at = cursor_.offset();
  FLEX_TRY(const uint64_t count, cursor_.number<uint64_t>(what));
  FLEX_CHECK(cursor_.require(count, unit_bytes, what));
  if (count <= most) return count;
  return cursor_.error_at(at, ErrorCode::kUnsupported,
                          fmt::format("{} {}: {} at most are read", count, what, most));
}

Status PartReader::read_metadata(uint64_t n_pairs) {
  std::string key;
  for (uint64_t i = 0; i < n_pairs; ++i) {
    const uint64_t at = cursor_.offset();
    FLEX_CHECK(read_name(key, "a metadata key"));
    if (part_.metadata.find(key) != nullptr) {
      return cursor_.error_at(at, ErrorCode::kCorrupt,
                              fmt::format("metadata key {} occurs twice", quote(key)));
    }
    const uint64_t value_at = cursor_.offset();
    FLEX_TRY(MetadataValue value, read_value(cursor_));
    part_.metadata.set(key, std::move(value));
    part_.metadata_places.push_back({key, {file_index_, value_at, cursor_.offset() - value_at}});
    FLEX_CHECK(note_key(key, value_at));
  }
  return {};
}

PartKey* PartReader::split_key(std::string_view key) {
  if (key == kSplitNumberKey) return &part_.split_number;
  if (key == kSplitCountKey) return &part_.split_count;
  if (key == kSplitTensorsKey) return &part_.split_tensors;
  return nullptr;
}

// Keeps the keys that say how the file itself is laid out.
Status PartReader::note_key(std::string_view key, uint64_t offset) {
  PartKey* split = split_key(key);
  if (split == nullptr && key != kAlignmentKey) return {};
  const auto value = part_.metadata.unsigned_number(key);
  if (!value) return cursor_.error_at(offset, value.error().code, value.error().message);
  if (split != nullptr) {
    *split = {*value, offset};
    return {};
  }
  part_.alignment = value->value();
  if (is_alignment(part_.alignment)) return {};
  return cursor_.error_at(
      offset, ErrorCode::kCorrupt,
      fmt::format("an alignment of {} is not a power of two from {} on", part_.alignment, kAlignmentUnit));
}

Status PartReader::read_name(std::string& name, std::string_view what) {
  const uint64_t at = cursor_.offset();
  FLEX_CHECK(cursor_.text(name, what));
  if (name.empty()) return cursor_.error_at(at, ErrorCode::kCorrupt, fmt::format("{} is empty", what));
  if (name.size() <= kLongestName) return {};
  return cursor_.error_at(at, ErrorCode::kCorrupt,
                          fmt::format("{} is {} bytes long, {} at most are allowed: {}", what, name.size(),
                                      kLongestName, quote(name)));
}

Status PartReader::read_directory(uint64_t n_tensors) {
  part_.tensors.resize(n_tensors);
  part_.entry_offsets.reserve(n_tensors);
  for (TensorInfo& tensor : part_.tensors) {
    part_.entry_offsets.push_back(cursor_.offset());
    FLEX_CHECK(read_entry(tensor));
  }
  return {};
}

// The extent's offset is relative to the data, and its size open, until place_tensors.
Status PartReader::read_entry(TensorInfo& tensor) {
  FLEX_CHECK(read_name(tensor.name, "a tensor's name"));
  FLEX_CHECK(read_dims(tensor));
  FLEX_CHECK(read_tensor_type(tensor));
  const uint64_t at = cursor_.offset();
  FLEX_TRY(tensor.extent.offset, cursor_.number<uint64_t>("a tensor's offset"));
  if (tensor.extent.offset % part_.alignment != 0) {
    return cursor_.error_at(at, ErrorCode::kCorrupt,
                            fmt::format("tensor {} has offset {}, which is not aligned to {}",
                                        quote(tensor.name), tensor.extent.offset, part_.alignment));
  }
  return {};
}

Status PartReader::read_dims(TensorInfo& tensor) {
  const uint64_t at = cursor_.offset();
  FLEX_TRY(tensor.n_dims, cursor_.number<uint32_t>("a tensor's number of dimensions"));
  if (tensor.n_dims < 1 || tensor.n_dims > kMostDims) {
    return cursor_.error_at(at, ErrorCode::kCorrupt,
                            fmt::format("tensor {} has {} dimensions, not 1 to {}", quote(tensor.name),
                                        tensor.n_dims, kMostDims));
  }
  uint64_t n_elements = 1;
  for (uint32_t i = 0; i < tensor.n_dims; ++i) {
    const uint64_t dim_at = cursor_.offset();
    FLEX_TRY(tensor.dims[i], cursor_.number<uint64_t>("a tensor's dimension"));
    if (tensor.dims[i] == 0 || tensor.dims[i] > kMostElements / n_elements) {
      return cursor_.error_at(
          dim_at, ErrorCode::kCorrupt,
          fmt::format("tensor {} has an impossible dimension: {}", quote(tensor.name), tensor.dims[i]));
    }
    n_elements *= tensor.dims[i];
  }
  return {};
}

Status PartReader::read_tensor_type(TensorInfo& tensor) {
  const uint64_t at = cursor_.offset();
  FLEX_TRY(const uint32_t id, cursor_.number<uint32_t>("a tensor's type"));
  const GgmlTypeInfo* type = find_ggml_type(id);
  if (type == nullptr) {
    const std::string_view removed = removed_ggml_type(id);
    return cursor_.error_at(
        at, ErrorCode::kUnsupported,
        removed.empty()
            ? fmt::format("tensor {} has the unknown type {}", quote(tensor.name), id)
            : fmt::format("tensor {} has type {} ({}), which GGML has removed: convert the model again",
                          quote(tensor.name), removed, id));
  }
  tensor.type = type->type;
  const std::optional<uint64_t> row = row_bytes(tensor.type, tensor.cols());
  const std::optional<uint64_t> size = row ? checked_mul(*row, tensor.rows()) : std::nullopt;
  if (size) {
    tensor.extent.size = *size;
    return {};
  }
  return cursor_.error_at(
      at, ErrorCode::kCorrupt,
      fmt::format("tensor {}: {} rows of {} elements are impossible in {}, which comes in blocks "
                  "of {}",
                  quote(tensor.name), tensor.rows(), tensor.cols(), type->name, type->block_elements));
}

Status PartReader::place_tensors() {
  const uint64_t data_begin = align_up(cursor_.offset(), part_.alignment);
  for (size_t i = 0; i < part_.tensors.size(); ++i) {
    TensorInfo& tensor = part_.tensors[i];
    const std::optional<uint64_t> begin = checked_add(data_begin, tensor.extent.offset);
    const std::optional<uint64_t> end = begin ? checked_add(*begin, tensor.extent.size) : std::nullopt;
    if (!end || *end > part_.file_bytes) {
      return cursor_.error_at(
          part_.entry_offsets[i], ErrorCode::kCorrupt,
          fmt::format("tensor {} needs a file of {} bytes, but the file has {}: it is truncated "
                      "(was the download complete?)",
                      quote(tensor.name), end.value_or(UINT64_MAX), part_.file_bytes));
    }
    tensor.extent.file = file_index_;
    tensor.extent.offset = *begin;
  }
  return {};
}

}  // namespace

Result<Part> read_part(const std::string& path, uint32_t file_index) {
  FLEX_TRY(const File file, File::open_buffered(path));
  return PartReader(file, file_index).read();
}

}  // namespace flexinfer::gguf
