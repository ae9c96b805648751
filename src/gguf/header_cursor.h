// A checked walk through the header of a GGUF file, seen through a window of fixed size.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "io/file.h"

namespace flexinfer::gguf {

// What a header may take in a file, and what its values may take in memory, where numbers are wider: ten
// times and four times what the largest vocabularies do. They bound the memory that a hostile file can claim.
inline constexpr uint64_t kLargestHeaderBytes = 128 * kMiB;
inline constexpr uint64_t kLargestMetadataBytes = 64 * kMiB;

// Nothing is read, and nothing may be allocated, for bytes that the file does not have: every read and
// `require` are checked first. Errors name the file and the byte at which the reading stands. The file must
// outlive the cursor.
class HeaderCursor {
 public:
  explicit HeaderCursor(const File& file);

  uint64_t offset() const { return offset_; }
  uint64_t window_end() const { return window_begin_ + window_.size(); }  // nothing beyond has been read

  // Checks that `count` things of at least `unit_bytes` each can follow. kCorrupt where the file ends before,
  // kUnsupported where the header would be larger than kLargestHeaderBytes.
  Status require(uint64_t count, uint64_t unit_bytes, std::string_view what) const;

  // To be called before memory is allocated that stays. kUnsupported where all that was claimed of this
  // header, this included, is more than kLargestMetadataBytes.
  Status claim(uint64_t count, uint64_t unit_bytes, std::string_view what);

  Status read(void* out, uint64_t size, std::string_view what);
  Status skip(uint64_t size, std::string_view what);

  template <class T>
  Result<T> number(std::string_view what) {
    static_assert(std::is_arithmetic_v<T>);
    T value{};
    FLEX_CHECK(read(&value, sizeof(value), what));
    return value;
  }

  // A text with its length before it, into `out`, whose memory is used again. Its bytes are claimed: texts
  // are kept.
  Status text(std::string& out, std::string_view what);

  // An error about the byte where the reading stands, or about one that was passed.
  tl::unexpected<Error> error(ErrorCode code, std::string_view reason) const;
  tl::unexpected<Error> error_at(uint64_t offset, ErrorCode code, std::string_view reason) const;

 private:
  Status fill_window();

  const File& file_;
  uint64_t offset_ = 0;
  uint64_t claimed_bytes_ = 0;
  uint64_t window_begin_ = 0;
  std::vector<std::byte> window_;
};

}  // namespace flexinfer::gguf
