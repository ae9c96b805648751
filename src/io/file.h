// A file opened for direct reads, and the place of bytes in it.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace flexinfer {

// A run of bytes of one file of a (possibly split) model.
struct Extent {
  uint32_t file = 0;  // index into the model's list of files
  uint64_t offset = 0;
  uint64_t size = 0;

  uint64_t end() const { return offset + size; }
};

// Owns a read-only descriptor. Move-only; reading is thread-safe.
class File {
 public:
  // Opens for O_DIRECT. Where the filesystem refuses it (at open, or at a first probing read) or lives in
  // memory, opens buffered instead and direct() is false: readers then drop from the page cache what they
  // have read. Refuses anything that is not a regular file.
  static Result<File> open_direct(const std::string& path);
  // Opens buffered, for headers.
  static Result<File> open_buffered(const std::string& path);

  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File();

  // Reads exactly `size` bytes at `offset`, going on after short reads and EINTR. kIo with path, offset and
  // errno; kCorrupt, with both sizes, where the file ends before. On a direct file, buffer and offset must be
  // multiples of kPageBytes, and the buffer must have room for `size` rounded up to one.
  Status read_at(uint64_t offset, void* buffer, uint64_t size) const;

  // As read_at, but asks for `length` bytes and is content with `required` of them (the rest may lie past the
  // end of the file). Returns the bytes that arrived. On a direct file, `length` must be a multiple of
  // kPageBytes too.
  Result<uint64_t> read_at_least(uint64_t offset, void* buffer, uint64_t length, uint64_t required) const;

  // Tells the kernel that the cached pages of a range are not needed.
  void drop_cache(uint64_t offset, uint64_t size) const;

  // For those who read through descriptor(): where a read goes on after `arrived` bytes of it (a direct read
  // from a page border; a read that then brings nothing new has met the end of the file), and the errors of
  // reads.
  uint64_t resume_at(uint64_t arrived) const;
  Error read_failed(uint64_t offset, int error_number) const;
  Error ends_early(uint64_t offset, uint64_t required, uint64_t arrived) const;

  int descriptor() const { return fd_; }
  bool direct() const { return direct_; }
  uint64_t size() const { return size_; }
  const std::string& path() const { return path_; }

 private:
  File() = default;
  static Result<File> open(const std::string& path, int flags);

  int fd_ = -1;
  bool direct_ = false;
  uint64_t size_ = 0;
  std::string path_;
};

}  // namespace flexinfer
