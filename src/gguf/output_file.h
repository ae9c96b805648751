// A file that appears under its name only when it is complete.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/page_buffer.h"
#include "base/result.h"

namespace flexinfer {

// Written as PATH.partial, which the destructor removes unless commit() has renamed it. Writes go out in
// large blocks; the disk is kept busy behind them and the pages written are dropped from the page cache, so
// that few blocks are ever dirty. Errors: kIo with the path, the place and what the system
// says. Move-only, one thread.
class OutputFile {
 public:
  // Reserves `size_bytes` on the disk where the filesystem can: one that is too full is refused at once.
  // Writes go out in blocks of `block_bytes`; about nine of them may be dirty.
  static Result<OutputFile> create(const std::string& path, uint64_t size_bytes,
                                   uint64_t block_bytes = 4 * kMiB);

  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&& other) noexcept;
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile();

  Status append(std::span<const std::byte> bytes);
  Status commit();

 private:
  OutputFile() = default;
  Status reserve(uint64_t size_bytes);
  Status flush_block();
  Status write_out(std::span<const std::byte> bytes);
  void push_out();
  tl::unexpected<Error> failed(const char* action, int error_number) const;

  std::string path_;
  std::string partial_path_;
  int fd_ = -1;
  PageBuffer block_;  // gathers small pieces
  uint64_t block_used_ = 0;
  uint64_t written_ = 0;  // bytes handed to the system
  uint64_t pushed_ = 0;   // of these, bytes whose writing to the disk has begun
  uint64_t dropped_ = 0;  // of these, bytes on the disk and out of the page cache
};

}  // namespace flexinfer
