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
  // Opens for O_DIRECT. Where the filesystem refuses it (at open, or at a first probing read), opens buffered
  // instead and direct() is false: readers then drop from the page cache what they have read. Refuses anything that is
  // not a regular file.
  static Result<File> open_direct(const std::string& path);
  // Opens buffered, for headers.
  static Result<File> open_buffered(const std::string& path);

  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File();

  // Reads exactly `size` bytes at `offset`, going on after short reads and EINTR. kIo with path, offset and errno;
  // kCorrupt, with both sizes, where the file ends before. On a direct file, buffer, offset and size must be multiples
  // of kPageBytes, but for a size that reaches past the end of the file: then the bytes up to the end are read.
  Status read_at(uint64_t offset, void* buffer, uint64_t size) const;

  // Tells the kernel that the cached pages of a range are not needed.
  void drop_cache(uint64_t offset, uint64_t size) const;

  int descriptor() const { return fd_; }
  bool direct() const { return direct_; }
  uint64_t size() const { return size_; }
  const std::string& path() const { return path_; }

 private:
  File() = default;

  int fd_ = -1;
  bool direct_ = false;
  uint64_t size_ = 0;
  std::string path_;
};

}  // namespace flexinfer
