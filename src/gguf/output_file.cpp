#include "gguf/output_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>
#include <utility>

#include "base/bytes.h"

namespace flexinfer {
namespace {

constexpr uint64_t kBlocksBehind = 8;  // how far the disk may lag behind

off_t file_offset(uint64_t offset) {
  return static_cast<off_t>(offset);
}

}  // namespace

Result<OutputFile> OutputFile::create(const std::string& path, uint64_t size_bytes, uint64_t block_bytes) {
  OutputFile file;
  FLEX_TRY(file.block_, PageBuffer::allocate(block_bytes));
  file.path_ = path;
  file.partial_path_ = path + ".partial";
  file.fd_ = ::open(file.partial_path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file.fd_ < 0) return file.failed("create", errno);
  FLEX_CHECK(file.reserve(size_bytes));
  return file;
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : path_(std::move(other.path_)),
      partial_path_(std::move(other.partial_path_)),
      fd_(std::exchange(other.fd_, -1)),
      block_(std::move(other.block_)),
      block_used_(other.block_used_),
      written_(other.written_),
      pushed_(other.pushed_),
      dropped_(other.dropped_) {}

OutputFile& OutputFile::operator=(OutputFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(partial_path_, other.partial_path_);
  std::swap(fd_, other.fd_);
  std::swap(block_, other.block_);
  std::swap(block_used_, other.block_used_);
  std::swap(written_, other.written_);
  std::swap(pushed_, other.pushed_);
  std::swap(dropped_, other.dropped_);
  return *this;
}

OutputFile::~OutputFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(partial_path_.c_str());
}

Status OutputFile::reserve(uint64_t size_bytes) {
  // Asked before, for a reservation that fails may fill the disk for a moment.
  struct statvfs status {};
  const bool is_known = ::fstatvfs(fd_, &status) == 0 && status.f_blocks > 0;
  const uint64_t free_bytes = is_known ? status.f_bavail * status.f_frsize : UINT64_MAX;
  if (size_bytes > free_bytes) {
    return make_error(ErrorCode::kIo, fmt::format("cannot write {}: it takes {}, and {} are free on its disk",
                                                  path_, format_bytes(size_bytes), format_bytes(free_bytes)));
  }
  if (size_bytes == 0 || ::fallocate(fd_, 0, 0, file_offset(size_bytes)) == 0) return {};
  if (errno == EOPNOTSUPP || errno == ENOSYS) return {};  // then the disk may still fill up on the way
  return failed("reserve room for", errno);
}

Status OutputFile::append(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const uint64_t n = std::min<uint64_t>(bytes.size(), block_.size() - block_used_);
    if (n == block_.size()) {  // a whole block needs no gathering
      FLEX_CHECK(write_out(bytes.first(n)));
    } else {
      std::memcpy(block_.data() + block_used_, bytes.data(), n);
      block_used_ += n;
      if (block_used_ == block_.size()) FLEX_CHECK(flush_block());
    }
    bytes = bytes.subspan(n);
  }
  return {};
}

Status OutputFile::commit() {
  FLEX_CHECK(flush_block());
  if (::fsync(fd_) != 0) return failed("write", errno);
  ::posix_fadvise(fd_, 0, 0, POSIX_FADV_DONTNEED);
  if (::close(std::exchange(fd_, -1)) != 0 || ::rename(partial_path_.c_str(), path_.c_str()) != 0) {
    const int error_number = errno;
    ::unlink(partial_path_.c_str());
    return failed("finish", error_number);
  }
  return {};
}

Status OutputFile::flush_block() {
  FLEX_CHECK(write_out(block_.bytes().first(block_used_)));
  block_used_ = 0;
  return {};
}

Status OutputFile::write_out(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed("write", errno);
    written_ += static_cast<uint64_t>(n);
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  push_out();
  return {};
}

// Starts the writing of what is new, and waits for and drops what lies further behind: the only brake on a
// writer that is faster than the disk. Errors of the disk come back from commit's fsync.
void OutputFile::push_out() {
  ::sync_file_range(fd_, file_offset(pushed_), file_offset(written_ - pushed_), SYNC_FILE_RANGE_WRITE);
  pushed_ = written_;
  const uint64_t behind_bytes = kBlocksBehind * block_.size();
  if (written_ < dropped_ + behind_bytes + block_.size()) return;
  const uint64_t size = written_ - behind_bytes - dropped_;
  ::sync_file_range(fd_, file_offset(dropped_), file_offset(size),
                    SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
  ::posix_fadvise(fd_, file_offset(dropped_), file_offset(size), POSIX_FADV_DONTNEED);
  dropped_ += size;
}

tl::unexpected<Error> OutputFile::failed(const char* action, int error_number) const {
  return make_error(ErrorCode::kIo, fmt::format("cannot {} {} at byte {}: {}", action, path_, written_,
                                                std::generic_category().message(error_number)));
}

}  // namespace flexinfer
