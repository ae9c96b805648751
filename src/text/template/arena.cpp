#include "text/template/arena.h"

#include <fmt/format.h>

#include "base/bytes.h"

namespace flexinfer::jinja {
namespace {

constexpr size_t kBlockBytes = 32 * kKiB;

}  // namespace

Result<std::byte*> Arena::allocate(size_t n_bytes) {
  const size_t taken = align_up(n_bytes, kAlignment);
  if (taken > free_.size()) {
    const size_t block_bytes = std::max(taken, kBlockBytes);
    if (block_bytes > left_bytes()) return refuse();
    blocks_.push_back(std::make_unique_for_overwrite<std::byte[]>(block_bytes));
    used_bytes_ += block_bytes;
    if (block_bytes - taken < free_.size()) return blocks_.back().get();  // keep what has more room
    free_ = std::span(blocks_.back().get(), block_bytes);
  }
  std::byte* memory = free_.data();
  free_ = free_.subspan(taken);
  return memory;
}

tl::unexpected<Error> Arena::refuse() const {
  return make_error(ErrorCode::kUnsupported,
                    fmt::format("needs more memory than the {} it may use", format_bytes(limit_bytes_)));
}

}  // namespace flexinfer::jinja
