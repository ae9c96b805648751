// Memory that is taken piece by piece, given back all at once, and never more than a limit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/result.h"

namespace flexinfer::jinja {

// What lives in an arena has no destructor: ending it is one step, however deeply its objects are nested, and
// objects may refer to each other in circles. Used by one thread at a time.
class Arena {
 public:
  explicit Arena(uint64_t limit_bytes) : limit_bytes_(limit_bytes) {}

  // n_items copies of `initial`. kUnsupported where the limit is reached.
  template <class T>
  Result<std::span<T>> array(size_t n_items, const T& initial = T()) {
    static_assert(std::is_trivially_destructible_v<T> && alignof(T) <= kAlignment);
    if (n_items == 0) return std::span<T>();
    if (n_items > limit_bytes_ / sizeof(T)) return refuse();
    FLEX_TRY(std::byte * memory, allocate(n_items * sizeof(T)));
    T* items = reinterpret_cast<T*>(memory);
    std::uninitialized_fill_n(items, n_items, initial);
    return std::span<T>(items, n_items);
  }

  template <class T>
  Result<std::span<T>> copy(std::span<const T> items) {
    static_assert(std::is_trivially_destructible_v<T> && alignof(T) <= kAlignment);
    if (items.empty()) return std::span<T>();
    FLEX_TRY(std::byte * memory, allocate(items.size_bytes()));
    T* copied = reinterpret_cast<T*>(memory);
    std::uninitialized_copy(items.begin(), items.end(), copied);
    return std::span<T>(copied, items.size());
  }

  Result<std::string_view> copy(std::string_view text) {
    FLEX_TRY(const std::span<char> bytes, copy(std::span<const char>(text)));
    return std::string_view(bytes.data(), bytes.size());
  }

  template <class T>
  Result<T*> make(const T& value) {
    FLEX_TRY(const std::span<T> one, array<T>(1, value));
    return one.data();
  }

  uint64_t used_bytes() const { return used_bytes_; }
  uint64_t left_bytes() const { return limit_bytes_ - used_bytes_; }

 private:
  static constexpr size_t kAlignment = alignof(std::max_align_t);

  Result<std::byte*> allocate(size_t n_bytes);
  tl::unexpected<Error> refuse() const;

  uint64_t limit_bytes_;
  uint64_t used_bytes_ = 0;
  std::vector<std::unique_ptr<std::byte[]>> blocks_;
  std::span<std::byte> free_;  // what is left of the last block
};

}  // namespace flexinfer::jinja
