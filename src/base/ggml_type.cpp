#include "base/ggml_type.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/bytes.h"

namespace flexinfer {
namespace {

using enum GgmlType;

constexpr std::array kTypes = {
    GgmlTypeInfo{kF32, "F32", 1, 4},
    GgmlTypeInfo{kF16, "F16", 1, 2},
    GgmlTypeInfo{kQ4_0, "Q4_0", 32, 18},
    GgmlTypeInfo{kQ4_1, "Q4_1", 32, 20},
    GgmlTypeInfo{kQ5_0, "Q5_0", 32, 22},
    GgmlTypeInfo{kQ5_1, "Q5_1", 32, 24},
    GgmlTypeInfo{kQ8_0, "Q8_0", 32, 34},
    GgmlTypeInfo{kQ8_1, "Q8_1", 32, 36},
    GgmlTypeInfo{kQ2_K, "Q2_K", 256, 84},
    GgmlTypeInfo{kQ3_K, "Q3_K", 256, 110},
    GgmlTypeInfo{kQ4_K, "Q4_K", 256, 144},
    GgmlTypeInfo{kQ5_K, "Q5_K", 256, 176},
    GgmlTypeInfo{kQ6_K, "Q6_K", 256, 210},
    GgmlTypeInfo{kQ8_K, "Q8_K", 256, 292},
    GgmlTypeInfo{kIQ2_XXS, "IQ2_XXS", 256, 66},
    GgmlTypeInfo{kIQ2_XS, "IQ2_XS", 256, 74},
    GgmlTypeInfo{kIQ3_XXS, "IQ3_XXS", 256, 98},
    GgmlTypeInfo{kIQ1_S, "IQ1_S", 256, 50},
    GgmlTypeInfo{kIQ4_NL, "IQ4_NL", 32, 18},
    GgmlTypeInfo{kIQ3_S, "IQ3_S", 256, 110},
    GgmlTypeInfo{kIQ2_S, "IQ2_S", 256, 82},
    GgmlTypeInfo{kIQ4_XS, "IQ4_XS", 256, 136},
    GgmlTypeInfo{kI8, "I8", 1, 1},
    GgmlTypeInfo{kI16, "I16", 1, 2},
    GgmlTypeInfo{kI32, "I32", 1, 4},
    GgmlTypeInfo{kI64, "I64", 1, 8},
    GgmlTypeInfo{kF64, "F64", 1, 8},
    GgmlTypeInfo{kIQ1_M, "IQ1_M", 256, 56},
    GgmlTypeInfo{kBF16, "BF16", 1, 2},
    GgmlTypeInfo{kTQ1_0, "TQ1_0", 256, 54},
    GgmlTypeInfo{kTQ2_0, "TQ2_0", 256, 66},
    GgmlTypeInfo{kMXFP4, "MXFP4", 32, 17},
    GgmlTypeInfo{kNVFP4, "NVFP4", 64, 36},
    GgmlTypeInfo{kQ1_0, "Q1_0", 128, 18},
    GgmlTypeInfo{kQ2_0, "Q2_0", 64, 18},
};

struct RemovedType {
  uint32_t id;
  std::string_view name;
};

constexpr std::array kRemovedTypes = {
    RemovedType{4, "Q4_2"},        RemovedType{5, "Q4_3"},        RemovedType{31, "Q4_0_4_4"},
    RemovedType{32, "Q4_0_4_8"},   RemovedType{33, "Q4_0_8_8"},   RemovedType{36, "IQ4_NL_4_4"},
    RemovedType{37, "IQ4_NL_4_8"}, RemovedType{38, "IQ4_NL_8_8"},
};

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::toupper(x) == std::toupper(y); });
}

}  // namespace

const GgmlTypeInfo* find_ggml_type(uint32_t id) {
  for (const GgmlTypeInfo& info : kTypes) {
    if (static_cast<uint32_t>(info.type) == id) return &info;
  }
  return nullptr;
}

const GgmlTypeInfo* find_ggml_type(std::string_view name) {
  for (const GgmlTypeInfo& info : kTypes) {
    if (equal_ignoring_case(info.name, name)) return &info;
  }
  return nullptr;
}

std::string_view removed_ggml_type(uint32_t id) {
  for (const RemovedType& removed : kRemovedTypes) {
    if (removed.id == id) return removed.name;
  }
  return {};
}

const GgmlTypeInfo& ggml_type_info(GgmlType type) {
  return *find_ggml_type(static_cast<uint32_t>(type));
}

std::optional<uint64_t> row_bytes(GgmlType type, uint64_t n_elements) {
  const GgmlTypeInfo& info = ggml_type_info(type);
  if (n_elements % info.block_elements != 0) return std::nullopt;
  return checked_mul(n_elements / info.block_elements, info.block_bytes);
}

}  // namespace flexinfer
