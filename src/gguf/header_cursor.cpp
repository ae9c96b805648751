#include "gguf/header_cursor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace flexinfer::gguf {
namespace {

constexpr uint64_t kWindowBytes = 256 * kKiB;

std::string amount(uint64_t count, uint64_t unit_bytes) {
  return unit_bytes == 1 ? fmt::format("{} bytes", count) : fmt::format("{} x {} bytes", count, unit_bytes);
}

}  // namespace

HeaderCursor::HeaderCursor(const File& file) : file_(file) {}

Status HeaderCursor::require(uint64_t count, uint64_t unit_bytes, std::string_view what) const {
  const uint64_t left = file_.size() - offset_;
  if (count > left / unit_bytes) {
    return error(ErrorCode::kCorrupt,
                 fmt::format("{}: {} are needed, {} are left of the file's {}: it is corrupt or truncated",
                             what, amount(count, unit_bytes), left, file_.size()));
  }
  if (offset_ + count * unit_bytes > kLargestHeaderBytes) {
    return error(ErrorCode::kUnsupported,
                 fmt::format("{}: {} would make the header larger than {}", what, amount(count, unit_bytes),
                             format_bytes(kLargestHeaderBytes)));
  }
  return {};
}

Status HeaderCursor::claim(uint64_t count, uint64_t unit_bytes, std::string_view what) {
  if (count > (kLargestMetadataBytes - claimed_bytes_) / unit_bytes) {
    return error(ErrorCode::kUnsupported,
                 fmt::format("{}: {} would make the metadata larger than {}", what, amount(count, unit_bytes),
                             format_bytes(kLargestMetadataBytes)));
  }
  claimed_bytes_ += count * unit_bytes;
  return {};
}

Status HeaderCursor::read(void* out, uint64_t size, std::string_view what) {
  FLEX_CHECK(require(size, 1, what));
  auto* target = static_cast<std::byte*>(out);
  while (size > 0) {
    if (offset_ < window_begin_ || offset_ >= window_end()) FLEX_CHECK(fill_window());
    const uint64_t n = std::min(size, window_end() - offset_);
    std::memcpy(target, window_.data() + (offset_ - window_begin_), n);
    target += n;
    offset_ += n;
    size -= n;
  }
  return {};
}

Status HeaderCursor::skip(uint64_t size, std::string_view what) {
  FLEX_CHECK(require(size, 1, what));
  offset_ += size;
  return {};
}

Status HeaderCursor::text(std::string& out, std::string_view what) {
  FLEX_TRY(const uint64_t length, number<uint64_t>(what));
  FLEX_CHECK(require(length, 1, what));
  FLEX_CHECK(claim(length, 1, what));
  out.resize(length);
  return read(out.data(), length, what);
}

tl::unexpected<Error> HeaderCursor::error(ErrorCode code, std::string_view reason) const {
  return error_at(offset_, code, reason);
}

tl::unexpected<Error> HeaderCursor::error_at(uint64_t offset, ErrorCode code, std::string_view reason) const {
  return make_error(code, fmt::format("{}: at byte {}: {}", file_.path(), offset, reason));
}

Status HeaderCursor::fill_window() {
  window_.resize(std::min(kWindowBytes, file_.size() - offset_));
  window_begin_ = offset_;
  return file_.read_at(offset_, window_.data(), window_.size());
}

}  // namespace flexinfer::gguf
