#include "io/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "base/bytes.h"
#include "base/page_buffer.h"

namespace flexinfer {
namespace {

std::string errno_text(int error_number) {
  return std::generic_category().message(error_number);
}

tl::unexpected<Error> open_failed(const std::string& path, int error_number) {
  return make_error(ErrorCode::kIo, fmt::format("cannot open {}: {}", path, errno_text(error_number)));
}

// Refused before it is opened: opening a pipe or a device may block or have effects.
Status check_regular(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return open_failed(path, errno);
  if (S_ISDIR(status.st_mode)) {
    return make_error(ErrorCode::kIo, fmt::format("cannot open {}: it is a directory", path));
  }
  if (!S_ISREG(status.st_mode)) {
    return make_error(ErrorCode::kIo, fmt::format("cannot open {}: it is not a regular file", path));
  }
  return {};
}

// A filesystem in memory may accept O_DIRECT, but its files are page cache: no read bypasses it.
bool lives_in_memory(int descriptor) {
  struct statfs status {};
  return ::fstatfs(descriptor, &status) == 0 &&
         (status.f_type == TMPFS_MAGIC || status.f_type == RAMFS_MAGIC);
}

// Some filesystems accept O_DIRECT at open and refuse the reads. Any other error of this read will come back,
// with its place, when the page is read for its bytes.
bool refuses_direct_reads(int descriptor) {
  alignas(kPageBytes) std::byte page[kPageBytes];
  return ::pread(descriptor, page, sizeof(page), 0) < 0 && (errno == EINVAL || errno == EOPNOTSUPP);
}

}  // namespace

Result<File> File::open(const std::string& path, int flags) {
  File file;
  file.fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | flags);
  if (file.fd_ < 0) return open_failed(path, errno);
  struct stat status {};
  if (::fstat(file.fd_, &status) != 0) return open_failed(path, errno);
  file.direct_ = (flags & O_DIRECT) != 0;
  file.size_ = static_cast<uint64_t>(status.st_size);
  file.path_ = path;
  return file;
}

Result<File> File::open_direct(const std::string& path) {
  FLEX_CHECK(check_regular(path));
  Result<File> file = open(path, O_DIRECT);
  if (file && !lives_in_memory(file->fd_) && !refuses_direct_reads(file->fd_)) return file;
  file = open(path, 0);
  // Without read-ahead: pages that nobody asked for would stay in the page cache.
  if (file) ::posix_fadvise(file->fd_, 0, 0, POSIX_FADV_RANDOM);
  return file;
}

Result<File> File::open_buffered(const std::string& path) {
  FLEX_CHECK(check_regular(path));
  return open(path, 0);
}

File::File(File&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      direct_(other.direct_),
      size_(other.size_),
      path_(std::move(other.path_)) {}

File& File::operator=(File&& other) noexcept {
  File taken(std::move(other));
  std::swap(fd_, taken.fd_);
  std::swap(direct_, taken.direct_);
  std::swap(size_, taken.size_);
  std::swap(path_, taken.path_);
  return *this;
}

File::~File() {
  if (fd_ >= 0) ::close(fd_);
}

Status File::read_at(uint64_t offset, void* buffer, uint64_t size) const {
  const uint64_t length = direct_ ? align_up(size, kPageBytes) : size;
  FLEX_CHECK(read_at_least(offset, buffer, length, size));
  return {};
}

Result<uint64_t> File::read_at_least(uint64_t offset, void* buffer, uint64_t length,
                                     uint64_t required) const {
  auto* bytes = static_cast<std::byte*>(buffer);
  uint64_t arrived = 0;
  while (arrived < required) {
    const uint64_t from = resume_at(arrived);
    const ssize_t n = ::pread(fd_, bytes + from, length - from, static_cast<off_t>(offset + from));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return tl::unexpected(read_failed(offset + from, errno));
    const uint64_t reached = from + static_cast<uint64_t>(n);
    if (reached <= arrived) return tl::unexpected(ends_early(offset, required, arrived));
    arrived = reached;
  }
  return arrived;
}

void File::drop_cache(uint64_t offset, uint64_t size) const {
  // Of whole pages: one that is only touched would stay. Advice: where it is refused, they only stay longer.
  const uint64_t begin = align_down(offset, system_page_bytes());
  const uint64_t end = align_up(offset + size, system_page_bytes());
  ::posix_fadvise(fd_, static_cast<off_t>(begin), static_cast<off_t>(end - begin), POSIX_FADV_DONTNEED);
}

uint64_t File::resume_at(uint64_t arrived) const {
  return direct_ ? align_down(arrived, kPageBytes) : arrived;
}

Error File::read_failed(uint64_t offset, int error_number) const {
  return {ErrorCode::kIo,
          fmt::format("cannot read {} at offset {}: {}", path_, offset, errno_text(error_number))};
}

Error File::ends_early(uint64_t offset, uint64_t required, uint64_t arrived) const {
  return {
      ErrorCode::kCorrupt,
      fmt::format("{} ends early: {} bytes are needed at offset {}, only {} are there; is the file complete?",
                  path_, required, offset, arrived)};
}

}  // namespace flexinfer
