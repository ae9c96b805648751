// Asking memory for bytes before they are loaded, where the processor's own prefetching is not enough: it
// stops at pages and begins anew with each.
#pragma once

#include <cstddef>

namespace flexinfer::simd {

// Where bytes are asked to, as __builtin_prefetch has it. The second cache holds more on the way to it.
enum class AskedTo { kSecondCache = 2, kFirstCache = 3 };

inline constexpr size_t kLine = 64;  // what is asked for at once

// Past the end of what there is this does no harm. Always inline, as whatever only calls it has to be: a
// compiler that sees a function without effects leaves out its calls.
template <AskedTo cache = AskedTo::kSecondCache>
[[gnu::always_inline]] inline void ask_for(const std::byte* from, size_t n_bytes) {
  for (size_t i = 0; i < n_bytes; i += kLine)
    __builtin_prefetch(from + i, 0, static_cast<int>(cache));
}

// The same for bytes that will be written.
[[gnu::always_inline]] inline void ask_to_write(void* to, size_t n_bytes) {
  for (size_t i = 0; i < n_bytes; i += kLine)
    __builtin_prefetch(static_cast<std::byte*>(to) + i, 1);
}

}  // namespace flexinfer::simd
