#include "base/page_buffer.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/bytes.h"

namespace flexinfer {

uint64_t system_page_bytes() {
  return static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

Result<PageBuffer> PageBuffer::allocate(uint64_t size_bytes) {
  PageBuffer buffer;
  if (size_bytes == 0) return buffer;
  const std::optional<uint64_t> ceiling = checked_add(size_bytes, system_page_bytes() + kHugePageBytes);
  if (!ceiling) return make_error(ErrorCode::kIo, fmt::format("cannot map {} bytes of memory", size_bytes));
  const uint64_t size = align_up(size_bytes, kPageBytes);
  const uint64_t mapped = align_up(size, system_page_bytes());
  const uint64_t reserved = mapped + kHugePageBytes;
  void* raw =
      ::mmap(nullptr, reserved, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (raw == MAP_FAILED) {
    return make_error(ErrorCode::kIo,
                      fmt::format("cannot map {} of memory: {}", format_bytes(size), std::strerror(errno)));
  }
  auto* begin = static_cast<std::byte*>(raw);
  auto* aligned = reinterpret_cast<std::byte*>(align_up(reinterpret_cast<uintptr_t>(begin), kHugePageBytes));
  if (aligned > begin) ::munmap(begin, static_cast<size_t>(aligned - begin));
  std::byte* end = begin + reserved;
  if (aligned + mapped < end) ::munmap(aligned + mapped, static_cast<size_t>(end - (aligned + mapped)));
  ::madvise(aligned, size, MADV_HUGEPAGE);  // a wish; without it the buffer is only slower
  buffer.data_ = aligned;
  buffer.size_ = size;
  return buffer;
}

PageBuffer::PageBuffer(PageBuffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

PageBuffer& PageBuffer::operator=(PageBuffer&& other) noexcept {
  PageBuffer taken(std::move(other));  // what this one held goes at once, not when `other` does
  std::swap(data_, taken.data_);
  std::swap(size_, taken.size_);
  return *this;
}

PageBuffer::~PageBuffer() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

bool PageBuffer::try_lock() const {
  return size_ == 0 || ::mlock2(data_, size_, MLOCK_ONFAULT) == 0;
}

}  // namespace flexinfer
