// The constants of the GGUF format that its reader and its writer share.
// Source: the GGUF specification (ggml/docs/gguf.md); the split keys: llama.cpp's gguf-split.
#pragma once

#include <bit>
#include <cstdint>
#include <string_view>

namespace flexinfer::gguf {

static_assert(std::endian::native == std::endian::little,
              "numbers are copied from and to a file as they lie in memory");

inline constexpr std::string_view kMagic = "GGUF";
inline constexpr uint32_t kOldestVersion = 2;
inline constexpr uint32_t kVersion = 3;  // 2 and 3 have the same layout; 3 added a big-endian twin
inline constexpr uint64_t kDefaultAlignment = 32;
inline constexpr uint64_t kAlignmentUnit = 8;    // every alignment is a multiple
inline constexpr uint64_t kLongestName = 65535;  // bytes of a key, and here of a tensor's name
inline constexpr uint32_t kMostDims = 4;

inline constexpr std::string_view kAlignmentKey = "general.alignment";
inline constexpr std::string_view kSplitNumberKey =
    "split.no";  // from 0, although the file names count from 1
inline constexpr std::string_view kSplitCountKey = "split.count";
inline constexpr std::string_view kSplitTensorsKey = "split.tensors.count";  // in all parts together

enum class ValueType : uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kText = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};

constexpr bool is_alignment(uint64_t value) {
  return value % kAlignmentUnit == 0 && std::has_single_bit(value) && value <= UINT32_MAX;
}

}  // namespace flexinfer::gguf
