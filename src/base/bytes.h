// Byte sizes: constants, reading and writing them as text, checked arithmetic.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace flexinfer {

inline constexpr uint64_t kKiB = 1024;
inline constexpr uint64_t kMiB = 1024 * kKiB;
inline constexpr uint64_t kGiB = 1024 * kMiB;
inline constexpr uint64_t kPageBytes = 4096;  // unit of direct I/O: covers 512- and 4096-byte logical blocks
inline constexpr uint64_t kHugePageBytes = 2 * kMiB;

// Reads "4GiB", "1.5G", "500MB", "4096": `B K M G T` and `KiB MiB GiB TiB` are powers of 1024, `KB MB GB TB`
// of 1000. Case is ignored. kUsage on anything else, on a negative number and on more than 2^63 bytes.
Result<uint64_t> parse_size(std::string_view text);

// "3.83 GiB", "512 KiB", "17 B": for people, three significant digits.
std::string format_bytes(uint64_t bytes);

constexpr uint64_t align_down(uint64_t value, uint64_t alignment) {
  return value / alignment * alignment;
}
constexpr uint64_t align_up(uint64_t value, uint64_t alignment) {
  return align_down(value + alignment - 1, alignment);
}

// Sum and product that notice overflow: for numbers that come from a file.
constexpr std::optional<uint64_t> checked_add(uint64_t a, uint64_t b) {
  uint64_t result = 0;
  if (__builtin_add_overflow(a, b, &result)) return std::nullopt;
  return result;
}
constexpr std::optional<uint64_t> checked_mul(uint64_t a, uint64_t b) {
  uint64_t result = 0;
  if (__builtin_mul_overflow(a, b, &result)) return std::nullopt;
  return result;
}

}  // namespace flexinfer
