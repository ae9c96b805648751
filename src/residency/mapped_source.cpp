#include "residency/mapped_source.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>
#include <system_error>

#include "residency/constants.h"

namespace flexinfer {
namespace {

// `read_bytes` of /proc/self/io: storage reads of this process, page faults included; 0 where it is not to be
// had.
uint64_t storage_bytes_read() {
  std::ifstream io("/proc/self/io");
  std::string key;
  uint64_t value = 0;
  while (io >> key >> value) {
    if (key == "read_bytes:") return value;
  }
  return 0;
}

}  // namespace

Result<std::unique_ptr<MappedSource>> MappedSource::create(const WeightSchedule& schedule,
                                                           std::span<const File> files) {
  std::unique_ptr<MappedSource> source(new MappedSource(schedule));
  source->bytes_read_before_ = storage_bytes_read();
  for (const File& file : files) {
    void* data = ::mmap(nullptr, file.size(), PROT_READ, MAP_SHARED, file.descriptor(), 0);
    if (data == MAP_FAILED) {
      return make_error(ErrorCode::kIo, fmt::format("cannot map {}: {}", file.path(),
                                                    std::generic_category().message(errno)));
    }
    source->mappings_.push_back({static_cast<const std::byte*>(data), file.size()});
  }
  FLEX_TRY(Constants constants, read_constants(schedule, files));
  source->constants_ = std::move(constants.values);
  source->notes_.emplace_back(
      "--io mmap leaves residency to the kernel's page cache: the budget is not kept and the speed is what "
      "page faults "
      "allow");
  return source;
}

MappedSource::~MappedSource() {
  for (const Mapping& mapping : mappings_)
    ::munmap(const_cast<std::byte*>(mapping.data), mapping.size);
}

Result<WeightLease> MappedSource::acquire(size_t step, int64_t row_begin) {
  if (stop_.stop_requested()) return make_error(ErrorCode::kCancelled, "cancelled");
  const WeightStep& weight = schedule_.steps[step];
  const std::byte* rows = mappings_[weight.extent.file].data + weight.extent.offset;
  return WeightLease(rows + static_cast<uint64_t>(row_begin) * weight.row_bytes, row_begin, weight.rows);
}

Status MappedSource::read_embedding_rows(std::span<const int32_t> rows, std::byte* out) {
  const WeightStep& embedding = schedule_.embedding;
  const std::byte* base = mappings_[embedding.extent.file].data + embedding.extent.offset;
  for (size_t i = 0; i < rows.size(); ++i) {
    std::memcpy(out + i * embedding.row_bytes, base + static_cast<uint64_t>(rows[i]) * embedding.row_bytes,
                embedding.row_bytes);
  }
  return {};
}

ReadStats MappedSource::stats() const {
  return {.bytes_read = storage_bytes_read() - bytes_read_before_};
}

}  // namespace flexinfer
