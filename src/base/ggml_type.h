// Every tensor type of GGML by id, name and block size: what a GGUF file may hold, whether or not it can be
// computed. Ids and sizes: the GGUF specification and ggml's type table.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace flexinfer {

enum class GgmlType : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ8_1 = 9,
  kQ2_K = 10,
  kQ3_K = 11,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kQ8_K = 15,
  kIQ2_XXS = 16,
  kIQ2_XS = 17,
  kIQ3_XXS = 18,
  kIQ1_S = 19,
  kIQ4_NL = 20,
  kIQ3_S = 21,
  kIQ2_S = 22,
  kIQ4_XS = 23,
  kI8 = 24,
  kI16 = 25,
  kI32 = 26,
  kI64 = 27,
  kF64 = 28,
  kIQ1_M = 29,
  kBF16 = 30,
  kTQ1_0 = 34,
  kTQ2_0 = 35,
  kMXFP4 = 39,
  kNVFP4 = 40,
  kQ1_0 = 41,
  kQ2_0 = 42,
};

struct GgmlTypeInfo {
  GgmlType type;
  std::string_view name;    // as users write it: "Q4_K"
  uint32_t block_elements;  // a row is a whole number of blocks
  uint32_t block_bytes;
};

// The row of a type id as it stands in a file; nullptr where GGML has no such type (or removed it).
const GgmlTypeInfo* find_ggml_type(uint32_t id);

// By name, ignoring case; nullptr where unknown.
const GgmlTypeInfo* find_ggml_type(std::string_view name);

// The name of a type that GGML had once and removed, as it stands in old files; empty for every other id.
std::string_view removed_ggml_type(uint32_t id);

// The row of a known type.
const GgmlTypeInfo& ggml_type_info(GgmlType type);

// Bytes of a row of n_elements; nullopt where they are not whole blocks or overflow.
std::optional<uint64_t> row_bytes(GgmlType type, uint64_t n_elements);

}  // namespace flexinfer
