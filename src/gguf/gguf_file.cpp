#include "gguf/gguf_file.h"

#include <fmt/format.h>

#include "gguf/part_reader.h"
#include "gguf/quote.h"
#include "gguf/split_name.h"

namespace flexinfer {
namespace {

using gguf::Part;
using gguf::PartKey;

tl::unexpected<Error> refuse(const std::string& path, uint64_t offset, std::string_view reason) {
  return make_error(ErrorCode::kCorrupt, fmt::format("{}: at byte {}: {}", path, offset, reason));
}

// The paths of all parts, from the first of them; only its own for a model in one file.
Result<std::vector<std::string>> part_paths(const std::string& path, const Part& first) {
  const uint64_t n_parts = first.split_count.value.value_or(1);
  if (n_parts <= 1) return std::vector{path};
  const std::optional<gguf::SplitName> name = gguf::parse_split_name(path);
  const uint64_t number = first.split_number.value.value_or(0);
  if (number != 0) {
    const std::string hint = name ? name->path_of(1) : fmt::format("NAME-00001-of-{:05}.gguf", n_parts);
    return refuse(path, first.split_number.offset,
                  fmt::format("this is part {} of a split model: open its first part, {}", number + 1, hint));
  }
  if (!name || name->number != 1 || name->count != n_parts) {
    return refuse(
        path, first.split_count.offset,
        fmt::format("the first of {} parts must be named NAME-00001-of-{:05}.gguf, for the others are found "
                    "by its name",
                    n_parts, n_parts));
  }
  std::vector<std::string> paths = {path};
  for (uint64_t i = 2; i <= n_parts; ++i)
    paths.push_back(name->path_of(i));
  return paths;
}

Status check_key(const std::string& path, const PartKey& key, std::string_view what, uint64_t expected) {
  if (key.value == expected) return {};
  return refuse(path, key.offset,
                fmt::format("the {} is {}, where this set of parts has {}", what,
                            key.value ? std::to_string(*key.value) : "absent", expected));
}

Result<Part> read_other_part(const std::vector<std::string>& paths, uint32_t index) {
  const std::string& path = paths[index];
  Result<Part> part = gguf::read_part(path, index);
  if (!part && part.error().code == ErrorCode::kIo) {
    return make_error(ErrorCode::kIo, fmt::format("{}: part {} of {} cannot be read: {}", paths.front(),
                                                  index + 1, paths.size(), part.error().message));
  }
  if (!part) return part;
  FLEX_CHECK(check_key(path, part->split_number, "number of the part (split.no, from 0)", index));
  FLEX_CHECK(check_key(path, part->split_count, "number of parts (split.count)", paths.size()));
  return part;
}

}  // namespace

Status GgufFile::add_tensors(std::vector<TensorInfo>&& tensors, const std::vector<uint64_t>& entry_offsets) {
  for (size_t i = 0; i < tensors.size(); ++i) {
    const auto [found, is_new] = index_.emplace(tensors[i].name, tensors_.size());
    if (!is_new) {
      return refuse(paths_[tensors[i].extent.file], entry_offsets[i],
                    fmt::format("tensor {} occurs twice", quote(tensors[i].name)));
    }
    tensors_.push_back(std::move(tensors[i]));
  }
  return {};
}

Result<GgufFile> GgufFile::open(const std::string& path) {
  FLEX_TRY(Part first, gguf::read_part(path, 0));
  GgufFile file;
  FLEX_TRY(file.paths_, part_paths(path, first));
  file.version_ = first.version;
  file.alignment_ = first.alignment;
  file.file_bytes_ = first.file_bytes;
  file.metadata_ = std::move(first.metadata);
  file.metadata_places_ = std::move(first.metadata_places);
  FLEX_CHECK(file.add_tensors(std::move(first.tensors), first.entry_offsets));
  for (uint32_t i = 1; i < file.paths_.size(); ++i) {
    FLEX_TRY(Part part, read_other_part(file.paths_, i));
    file.file_bytes_ += part.file_bytes;
    FLEX_CHECK(file.add_tensors(std::move(part.tensors), part.entry_offsets));
  }
  if (file.paths_.size() > 1 && first.split_tensors.value) {
    FLEX_CHECK(check_key(path, first.split_tensors, "number of tensors (split.tensors.count)",
                         file.tensors_.size()));
  }
  return file;
}

const TensorInfo* GgufFile::find_tensor(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

uint64_t GgufFile::tensor_bytes() const {
  uint64_t sum = 0;
  for (const TensorInfo& tensor : tensors_)
    sum += tensor.extent.size;
  return sum;
}

}  // namespace flexinfer
