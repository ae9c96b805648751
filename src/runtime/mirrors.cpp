#include "runtime/mirrors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "base/bytes.h"
#include "gguf/split_name.h"
#include "io/file.h"

namespace flexinfer {
namespace {

tl::unexpected<Error> refuse(const std::string& path, std::string_view reason) {
  return make_error(ErrorCode::kUsage, fmt::format("--mirror {}: {}", path, reason));
}

// Where the first tensor of a file begins.
uint64_t header_bytes(const GgufFile& model, uint32_t file, uint64_t file_size) {
  uint64_t begin = file_size;
  for (const TensorInfo& tensor : model.tensors()) {
    if (tensor.extent.file == file) begin = std::min(begin, tensor.extent.offset);
  }
  return begin;
}

Status check_header(const File& original, const File& copy, uint64_t size) {
  std::vector<std::byte> expected(std::min(size, kMiB));
  std::vector<std::byte> found(expected.size());
  for (uint64_t offset = 0; offset < size; offset += expected.size()) {
    const uint64_t n = std::min<uint64_t>(expected.size(), size - offset);
    FLEX_CHECK(original.read_at(offset, expected.data(), n));
    FLEX_CHECK(copy.read_at(offset, found.data(), n));
    if (std::memcmp(expected.data(), found.data(), n) != 0) {
      return refuse(copy.path(),
                    fmt::format("its header differs from that of {}: it is another model", original.path()));
    }
  }
  return {};
}

Status check_copy(const GgufFile& model, uint32_t file, const std::string& path) {
  const std::string& original_path = model.paths()[file];
  FLEX_TRY(const File original, File::open_buffered(original_path));
  FLEX_TRY(const File copy, File::open_buffered(path));
  std::error_code ignored;
  if (std::filesystem::equivalent(original_path, path, ignored)) {
    return refuse(path, "it is the model's own file, and no copy of it");
  }
  if (original.size() != copy.size()) {
    return refuse(path, fmt::format("it has {} bytes and {} has {}: it is another model, or not whole",
                                    copy.size(), original_path, original.size()));
  }
  return check_header(original, copy, header_bytes(model, file, original.size()));
}

}  // namespace

Result<std::vector<std::string>> mirror_paths(const GgufFile& model, const std::string& path) {
  std::vector<std::string> paths = {path};
  if (const size_t n_files = model.paths().size(); n_files > 1) {
    const auto name = gguf::parse_split_name(path);
    if (!name || name->number != 1 || name->count != n_files) {
      return refuse(path, fmt::format("the model has {0} parts: give the first of {0}, named as "
                                      "NAME-00001-of-{0:05}.gguf",
                                      n_files));
    }
    for (uint64_t i = 2; i <= n_files; ++i)
      paths.push_back(name->path_of(i));
  }
  for (uint32_t file = 0; file < paths.size(); ++file)
    FLEX_CHECK(check_copy(model, file, paths[file]));
  return paths;
}

}  // namespace flexinfer
