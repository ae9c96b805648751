// Anonymous memory for weights and reads: page-aligned, in huge pages where the system grants them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.h"

namespace flexinfer {

// What mappings and the page cache are made of: 4 KiB, on ARM also 16 or 64. Direct reads know nothing of it:
// their unit is kPageBytes.
uint64_t system_page_bytes();

// Owns one anonymous mapping of `size()` bytes, a multiple of kPageBytes, starting on a 2 MiB border so
// that transparent huge pages apply: I/O into ordinary pages can cost two thirds of a fast disk's bandwidth.
// The pages are zero and not resident before they are touched. Move-only; thread-compatible.
class PageBuffer {
 public:
  PageBuffer() = default;
  static Result<PageBuffer> allocate(uint64_t size_bytes);
  PageBuffer(PageBuffer&& other) noexcept;
  PageBuffer& operator=(PageBuffer&& other) noexcept;
  PageBuffer(const PageBuffer&) = delete;
  PageBuffer& operator=(const PageBuffer&) = delete;
  ~PageBuffer();

  std::byte* data() const { return data_; }
  uint64_t size() const { return size_; }
  std::span<std::byte> bytes() const { return {data_, size_}; }

  // Keeps the pages, from their first touch on, from being swapped out. False where the system refuses
  // (RLIMIT_MEMLOCK): a note, no error.
  bool try_lock() const;

 private:
  std::byte* data_ = nullptr;
  uint64_t size_ = 0;
};

}  // namespace flexinfer
