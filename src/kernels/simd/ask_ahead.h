// Asking memory for bytes before they are loaded, where the processor's own prefetching is not enough: it
// stops at pages and begins anew with each.
#pragma once

#include <cstddef>

namespace flexinfer::simd {

// Where bytes are asked to: nearer caches hold too little on the way to it, and their queues are shorter.
inline constexpr int kToSecondCache = 2;

inline constexpr size_t kLine = 64;  // what is asked for at once

// Past the end of what there is this does no harm.
[[gnu::always_inline]] inline void ask_for(const std::byte* from, size_t n_bytes) {
  for (size_t i = 0; i < n_bytes; i += kLine)
    __builtin_prefetch(from + i, 0, kToSecondCache);
}

// The same for bytes that will be written.
[[gnu::always_inline]] inline void ask_to_write(void* to, size_t n_bytes) {
  for (size_t i = 0; i < n_bytes; i += 64)
    __builtin_prefetch(static_cast<std::byte*>(to) + i, 1);
}

}  // namespace flexinfer::simd
